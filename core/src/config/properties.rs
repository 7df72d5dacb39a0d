//! Java's properties: what keys and values does a text hold, and on which lines?
//!
//! As `java.util.Properties` reads them: `=`, `:` or a blank between key and value, comments by `#` and
//! `!`, lines that go on after a backslash, `\t`, `\n`, `\r`, `\f` and `\uXXXX`. Bytes that are UTF-8 are
//! read so, else as Latin-1 (Java: always Latin-1, so that a path outside ASCII is another one there).
//!
//! Not here: what a key means.

use super::Refused;

/// One key and its value, both without blanks around them, as ZooKeeper takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// The line it begins on, from 1.
    pub line: u32,
    /// The key.
    pub key: String,
    /// The value; may be empty.
    pub value: String,
}

/// All of them, in the order of the text, repeated ones too.
///
/// # Errors
/// A `\u` without four hexadecimal digits after it.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Vec<Property>, Refused> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    };
    let mut properties = Vec::new();
    for (line, text) in logical_lines(&text) {
        let mut chars = text.chars().peekable();
        let refuse = |part: &str| Refused {
            file: file.into(),
            line: Some(line),
            key: part.into(),
            value: text.clone(),
            allowed: "four hexadecimal digits after \\u, and \\\\ for a backslash".into(),
        };
        let mut key = String::new();
        while let Some(&c) = chars.peek() {
            if c == '=' || c == ':' || blank(c) {
                break;
            }
            chars.next();
            if c == '\\' { unescape(&mut chars, &mut key).ok_or_else(|| refuse(&key.clone()))? } else { key.push(c) }
        }
        while chars.next_if(|&c| blank(c)).is_some() {}
        if chars.next_if(|&c| c == '=' || c == ':').is_some() {
            while chars.next_if(|&c| blank(c)).is_some() {}
        }
        let mut value = String::new();
        while let Some(c) = chars.next() {
            if c == '\\' { unescape(&mut chars, &mut value).ok_or_else(|| refuse(&key))? } else { value.push(c) }
        }
        properties.push(Property { line, key: key.trim().into(), value: value.trim().into() });
    }
    Ok(properties)
}

fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c')
}

/// What a backslash makes of what follows it.
fn unescape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) -> Option<()> {
    let four = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| {
        (0..4).try_fold(0u16, |unit, _| Some(unit << 4 | chars.next()?.to_digit(16).and_then(|digit| u16::try_from(digit).ok())?))
    };
    match chars.next() {
        None => {}
        Some('t') => out.push('\t'),
        Some('n') => out.push('\n'),
        Some('r') => out.push('\r'),
        Some('f') => out.push('\x0c'),
        Some('u') => {
            let mut units = vec![four(chars)?];
            // A character outside the BMP is two of them.
            if (0xd800..0xdc00).contains(&units[0]) {
                let mut ahead = chars.clone();
                if ahead.next() == Some('\\')
                    && ahead.next() == Some('u')
                    && let Some(second) = four(&mut ahead)
                    && (0xdc00..0xe000).contains(&second)
                {
                    units.push(second);
                    *chars = ahead;
                }
            }
            out.push_str(&String::from_utf16_lossy(&units));
        }
        Some(c) => out.push(c),
    }
    Some(())
}

/// Lines that say something, joined where one goes on in the next; escapes are left as they are.
fn logical_lines(text: &str) -> Vec<(u32, String)> {
    let mut lines = Vec::new();
    let mut begun: Option<(u32, String)> = None;
    for (at, line) in natural_lines(text).enumerate() {
        let line = line.trim_start_matches(blank);
        if begun.is_none() && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let number = u32::try_from(at + 1).unwrap_or(u32::MAX);
        let (_, joined) = begun.get_or_insert_with(|| (number, String::new()));
        let backslashes = line.len() - line.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            joined.push_str(&line[..line.len() - 1]);
        } else {
            joined.push_str(line);
            lines.extend(begun.take());
        }
    }
    // A last line that would go on, and does not.
    lines.extend(begun.filter(|(_, joined)| !joined.is_empty()));
    lines
}

/// Lines ended by `\n`, `\r` or both.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\n', '\r']) else {
            rest = None;
            return Some(text);
        };
        let after = &text[end..];
        rest = Some(after.strip_prefix("\r\n").unwrap_or(&after[1..]));
        Some(&text[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(text: &str) -> Vec<(u32, String, String)> {
        parse("f", text.as_bytes()).unwrap().into_iter().map(|p| (p.line, p.key, p.value)).collect()
    }

    #[test]
    fn everything_java_reads() {
        let text = "# comment \\\n! another\n\na=1\n b : 2 \r\nc 3\rd\n\te = long \\\n   # not a comment \\\\\\\n  end\nf\\=\\:\\ g = \\u0041\\ud83d\\ude00\\t|\nh==i\nlast=\\";
        let expected = [
            (4, "a", "1"),
            (5, "b", "2"),
            (6, "c", "3"),
            (7, "d", ""),
            (8, "e", "long # not a comment \\end"),
            (11, "f=: g", "A😀\t|"),
            (12, "h", "=i"),
            (13, "last", ""),
        ];
        assert_eq!(pairs(text), expected.map(|(line, key, value)| (line, key.to_string(), value.to_string())));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_latin1() {
        assert_eq!(parse("f", b"a=\xe9").unwrap()[0].value, "é");
        assert_eq!(parse("f", "a=é".as_bytes()).unwrap()[0].value, "é");
    }

    #[test]
    fn a_broken_escape_is_named() {
        let refused = parse("zoo.cfg", b"\nkey=\\u12").unwrap_err();
        assert_eq!((refused.line, refused.key.as_str()), (Some(2), "key"));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse("f", &bytes);
        }

        #[test]
        fn no_text_is_too_much(text in "[\\\\u0a= :\n\r#!\u{e9}d83]{0,60}") {
            let _ = parse("f", text.as_bytes());
        }

        #[test]
        fn what_is_escaped_comes_back(key in "[^\\s\u{0}-\u{1f}]{1,10}", value in "[^\u{0}-\u{1f}]{0,20}") {
            let escape = |text: &str| text.chars().map(|c| if c.is_ascii() && !c.is_ascii_alphanumeric() { format!("\\{c}") } else { c.to_string() }).collect::<String>();
            let properties = parse("f", format!("{}={}", escape(&key), escape(&value)).as_bytes()).unwrap();
            prop_assert_eq!(&properties[0].key, key.trim());
            prop_assert_eq!(&properties[0].value, value.trim());
        }
    }
}
