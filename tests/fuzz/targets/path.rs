//! Paths: an answer for any text, and what is valid holds together.
#![no_main]

use folkmoot::tree::path;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let valid = path::validate(text).is_ok();
    let parts = path::split(text);
    assert!(path::is_within(text, "/"));
    if !valid {
        return;
    }
    let (parent, name) = parts.expect("a valid path has a slash");
    if text == "/" {
        return;
    }
    assert!(path::validate(parent).is_ok() && !name.contains('/'), "{text:?}");
    assert!(path::is_within(text, parent) && !path::is_within(parent, text), "{text:?}");
    let joined = if parent == "/" { format!("/{name}") } else { format!("{parent}/{name}") };
    assert_eq!(joined, text);
    assert!(path::validate(&format!("/{name}")).is_ok(), "{text:?}");
});
