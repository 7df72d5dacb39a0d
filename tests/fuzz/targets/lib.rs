//! What several targets share.

/// Records, each a length (u16, little-endian) and its bytes; the last may be short.
pub fn records(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = data.split_first_chunk::<2>()?;
        let (record, rest) = rest.split_at(rest.len().min(usize::from(u16::from_le_bytes(*length))));
        data = rest;
        Some(record)
    })
}

/// An entry as the log keeps it.
pub fn entry(bytes: &[u8]) -> Option<folkmoot::machine::Entry> {
    postcard::from_bytes(bytes).ok()
}
