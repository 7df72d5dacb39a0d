//! The boundary itself: panics, last-error text, pointers in and out.

use crate::types::folkmoot_status;
use folkmoot::{Error, ErrorKind, Result};
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
    static LAST_WRITE: Cell<(i64, u64)> = const { Cell::new((0, 0)) };
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps panics of ours off the host's stderr: inside `enter` and on our threads their words go to
/// the last-error text. Everyone else's still go where they went before. The libraries that `link.sh`
/// makes have a std of their own, so there nobody else is concerned at all.
fn quiet_panics() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let ours = DEPTH.try_with(|depth| depth.get() > 0).unwrap_or(false) || std::thread::current().name().is_some_and(|name| name.starts_with("fm-"));
            if ours {
                let _ = PANIC.try_with(|text| *text.borrow_mut() = info.to_string().replace('\n', " "));
            } else {
                before(info);
            }
        }));
    });
}

pub(crate) fn set_last(error: &Error) {
    let _ = LAST.try_with(|last| *last.borrow_mut() = c_text(&error.to_string()));
    let _ = LAST_WRITE.try_with(|last| last.set(error.write().map_or((0, 0), |(session, number)| (session.0, number))));
}

/// Runs the body of one C function: panics become `FOLKMOOT_PANIC`, errors their numbers, and both
/// leave their words on this thread.
pub(crate) fn enter(body: impl FnOnce() -> Result<()>) -> folkmoot_status {
    quiet_panics();
    DEPTH.with(|depth| depth.set(depth.get() + 1));
    let result =
        catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| Err(Error::new(ErrorKind::Panic, PANIC.with(|text| std::mem::take(&mut *text.borrow_mut())))));
    DEPTH.with(|depth| depth.set(depth.get() - 1));
    match result {
        Ok(()) => 0,
        Err(error) => {
            set_last(&error);
            error.code()
        }
    }
}

pub(crate) fn bad(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::BadArguments, what)
}

fn null(name: &str) -> Error {
    bad(format!("{name} is NULL"))
}

/// A handle that knows in which process it was made.
pub(crate) trait Handle {
    fn generation(&self) -> u64;
}

macro_rules! handle {
    ($($type:ty),*) => { $(impl crate::guard::Handle for $type {
        fn generation(&self) -> u64 { self.generation }
    })* };
}
pub(crate) use handle;

/// Fails in a child of the process that made the handle.
pub(crate) fn not_forked(generation: u64) -> Result<()> {
    if generation == folkmoot_sys::generation() {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Forked, "the process was forked after this handle was made; open a new one in the child"))
    }
}

/// The handle behind `pointer`.
///
/// # Safety
/// NULL, or made by this library and not freed for as long as the call lasts.
pub(crate) unsafe fn borrow<'a, T: Handle>(pointer: *const T, name: &str) -> Result<&'a T> {
    // SAFETY: as asked of the caller.
    let handle = unsafe { pointer.as_ref() }.ok_or_else(|| null(name))?;
    not_forked(handle.generation())?;
    Ok(handle)
}

/// What is behind a pointer that has nothing to do with processes: a list, an option struct.
///
/// # Safety
/// NULL, or valid for reading as long as the call lasts.
pub(crate) unsafe fn plain<'a, T>(pointer: *const T, name: &str) -> Result<&'a T> {
    // SAFETY: as asked of the caller.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(name))
}

/// As [`plain`], to be changed.
///
/// # Safety
/// NULL, or valid and used by no other thread as long as the call lasts.
pub(crate) unsafe fn plain_mut<'a, T>(pointer: *mut T, name: &str) -> Result<&'a mut T> {
    // SAFETY: as asked of the caller.
    unsafe { pointer.as_mut() }.ok_or_else(|| null(name))
}

/// Frees a handle; NULL, and in a child of the process that made it, does nothing.
///
/// # Safety
/// NULL, or made by [`give`] and not freed yet.
pub(crate) unsafe fn release<T: Handle>(pointer: *mut T) {
    // SAFETY: as asked of the caller.
    unsafe {
        if pointer.as_ref().is_some_and(|handle| handle.generation() == folkmoot_sys::generation()) {
            drop(Box::from_raw(pointer));
        }
    }
}

/// Text that ends in NUL.
///
/// # Safety
/// NULL, or ends in NUL and is not changed as long as the call lasts.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str> {
    if pointer.is_null() {
        return Err(null(name));
    }
    // SAFETY: not NULL, the rest as asked of the caller.
    unsafe { CStr::from_ptr(pointer) }.to_str().map_err(|error| bad(format!("{name} is not UTF-8 from byte {}", error.valid_up_to())))
}

/// Bytes; none if the pointer is NULL.
///
/// # Safety
/// NULL, or `len` bytes that are not changed as long as the call lasts.
pub(crate) unsafe fn bytes<'a>(pointer: *const c_void, len: usize, name: &str) -> Result<Option<&'a [u8]>> {
    match (pointer.is_null(), len) {
        (true, 0) => Ok(None),
        (true, _) => Err(bad(format!("{name} is NULL and its length is {len}"))),
        (false, 0) => Ok(Some(&[])),
        // SAFETY: not NULL, the rest as asked of the caller; no object is longer than isize::MAX.
        (false, _) if len <= isize::MAX as usize => Ok(Some(unsafe { std::slice::from_raw_parts(pointer.cast(), len) })),
        _ => Err(bad(format!("the length of {name} is {len}"))),
    }
}

/// Refuses NULL for an output that must be there, before anything is done.
pub(crate) fn wanted<T>(out: *mut T, name: &str) -> Result<()> {
    if out.is_null() { Err(null(name)) } else { Ok(()) }
}

/// Writes an output; NULL is not interested.
///
/// # Safety
/// NULL or valid for writing.
pub(crate) unsafe fn put<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: not NULL, the rest as asked of the caller.
        unsafe { out.write(value) }
    }
}

/// Writes a new handle.
///
/// # Safety
/// As [`put`]; the caller has asked [`wanted`].
pub(crate) unsafe fn give<T>(out: *mut *mut T, value: T) {
    // SAFETY: as asked of the caller.
    unsafe { put(out, Box::into_raw(Box::new(value))) }
}

/// A copy of `bytes` with a NUL behind, from `malloc`, so that freeing needs no length.
pub(crate) fn allocated(bytes: &[u8]) -> Result<*mut u8> {
    // SAFETY: malloc takes any size, and is checked.
    let copy = unsafe { libc::malloc(bytes.len() + 1) }.cast::<u8>();
    if copy.is_null() {
        return Err(Error::new(ErrorKind::SystemError, format!("no memory for {} bytes", bytes.len())));
    }
    // SAFETY: there is room for the bytes and the NUL, and fresh memory overlaps nothing.
    unsafe {
        copy.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        copy.add(bytes.len()).write(0);
    }
    Ok(copy)
}

/// Text for C. A NUL inside, which no path has, becomes U+FFFD.
pub(crate) fn c_text(text: &str) -> CString {
    CString::new(text).unwrap_or_else(|_| CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default())
}

/// Reads an option struct that begins with its `size`: fields past the caller's size keep their
/// defaults; bytes that this version does not know must be 0.
///
/// # Safety
/// NULL, or `size` says truly how long the struct is. `T` is `repr(C)`, takes any bytes, and begins with its `size_t size`.
pub(crate) unsafe fn options<T: Copy>(pointer: *const T, mut defaults: T, name: &str) -> Result<T> {
    if pointer.is_null() {
        return Ok(defaults);
    }
    // SAFETY: the struct begins with a size_t.
    let size = unsafe { pointer.cast::<usize>().read() };
    if size < size_of::<usize>() || size > 4096 {
        return Err(bad(format!("{name}->size is {size}; it is sizeof the struct")));
    }
    let known = size.min(size_of::<T>());
    // SAFETY: `known` bytes are within both; what is beyond is within the caller's, as it says.
    unsafe {
        std::ptr::from_mut(&mut defaults).cast::<u8>().copy_from_nonoverlapping(pointer.cast(), known);
        if (known..size).any(|at| pointer.cast::<u8>().add(at).read() != 0) {
            return Err(bad(format!("{name} sets a field that this version does not know")));
        }
    }
    Ok(defaults)
}

/// The library's version, such as "0.1.0". Never NULL, never freed.
#[unsafe(no_mangle)]
pub extern "C" fn folkmoot_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The number of the binary interface: it rises when functions are added. A program compiled with
/// FOLKMOOT_ABI_VERSION n runs with any library of the same soname that says n or more.
#[unsafe(no_mangle)]
pub extern "C" fn folkmoot_abi_version() -> u32 {
    crate::types::FOLKMOOT_ABI_VERSION
}

/// The name of a status, such as "NoNode"; "Ok" for FOLKMOOT_OK, "Unknown" for a number that is
/// none. Never NULL, never freed.
#[unsafe(no_mangle)]
pub extern "C" fn folkmoot_status_name(status: folkmoot_status) -> *const c_char {
    macro_rules! names {
        ($($name:ident)*) => { match ErrorKind::from_code(status) {
            _ if status == 0 => "Ok\0",
            $(Some(ErrorKind::$name) => concat!(stringify!($name), "\0"),)*
            _ => "Unknown\0",
        } };
    }
    let name: &'static str = names!(SystemError RuntimeInconsistency DataInconsistency ConnectionLoss MarshallingError Unimplemented
        OperationTimeout BadArguments InvalidState UnknownSession NoNode NoAuth BadVersion NoChildrenForEphemerals NodeExists NotEmpty
        SessionExpired InvalidAcl AuthFailed Closing SessionMoved NotReadOnly NoWatcher ReconfigDisabled AuthRequired QuotaExceeded
        Throttled Panic Forked BufferTooSmall
        DiskFull Corrupt Fenced OutcomeUnknown InUse DiskFailed UnknownFormat LimitExceeded Closed Interrupted WouldDeadlock);
    name.as_ptr().cast()
}

/// What went wrong in the last call on this thread that failed, in words: the thing and the values
/// that disagree. "" if none has. Never NULL; valid until the next call on this thread fails.
#[unsafe(no_mangle)]
pub extern "C" fn folkmoot_last_error() -> *const c_char {
    // The pointer stays good after the borrow: the text is only replaced by the next failure here.
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// Which write the last call on this thread that failed was about, where that was FOLKMOOT_OUTCOME_UNKNOWN: to ask
/// folkmoot_member_outcome about, in another life of the process too. Both are 0 otherwise.
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS (which is then the last failure itself).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_last_write(session_out: *mut i64, write_out: *mut u64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(session_out, "session_out")?;
        wanted(write_out, "write_out")?;
        let (session, write) = LAST_WRITE.with(Cell::get);
        put(session_out, session);
        put(write_out, write);
        Ok(())
    })
}

/// Frees what a function of this library has said to free with it. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_free(memory: *mut c_void) {
    // SAFETY: the caller's memory is from `allocated`, hence from malloc.
    unsafe { libc::free(memory) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last() -> String {
        // SAFETY: never NULL, ends in NUL, copied at once.
        unsafe { CStr::from_ptr(folkmoot_last_error()) }.to_string_lossy().into_owned()
    }

    #[test]
    fn a_panic_becomes_a_status_with_its_words() {
        assert_eq!(enter(|| panic!("seven is not eight")), ErrorKind::Panic as i32);
        assert!(last().contains("seven is not eight"), "{}", last());
    }

    #[test]
    fn a_write_whose_outcome_is_unknown_is_named() {
        let about = |error: Error| {
            enter(|| Err(error));
            let (mut session, mut write) = (9, 9);
            // SAFETY: both are this test's own.
            assert_eq!(unsafe { folkmoot_last_write(&raw mut session, &raw mut write) }, 0);
            (session, write)
        };
        assert_eq!(about(Error::new(ErrorKind::OutcomeUnknown, "x").about_write(folkmoot::ids::SessionId(-5), 7)), (-5, 7));
        assert_eq!(about(Error::new(ErrorKind::NoNode, "x")), (0, 0));
    }

    #[test]
    fn every_status_has_its_name() {
        for kind in ErrorKind::ALL {
            // SAFETY: never NULL, ends in NUL.
            assert_eq!(unsafe { CStr::from_ptr(folkmoot_status_name(*kind as i32)) }.to_str(), Ok(kind.name()));
        }
    }

    #[test]
    fn an_option_struct_of_another_version_is_read_as_far_as_both_know() {
        #[repr(C)]
        #[derive(Clone, Copy, PartialEq, Debug)]
        struct Now {
            size: usize,
            a: u32,
            b: u32,
        }
        let defaults = Now { size: 0, a: 1, b: 2 };
        let read = |words: [u64; 3]| unsafe {
            // SAFETY: 24 bytes are there, and no test names more.
            options(words.as_ptr().cast::<Now>(), defaults, "o")
        };
        assert_eq!(read([12, 7 | 9 << 32, 0]).map(|now| (now.a, now.b)), Ok((7, 2)));
        assert_eq!(read([24, 7 | 9 << 32, 0]).map(|now| (now.a, now.b)), Ok((7, 9)));
        assert!(read([24, 7, 1]).is_err());
        assert!(read([3, 7, 1]).is_err());
    }
}
