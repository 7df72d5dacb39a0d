//! Writes `include/folkmoot.h` anew and compares it with the one that is committed.
//! `UPDATE_HEADER=1 cargo test -p folkmoot-ffi --test header` replaces it.

use folkmoot::ErrorKind;
use std::fmt::Write;
use std::path::Path;

/// `NoNode` as C writes it: `NO_NODE`.
fn upper(name: &str) -> String {
    name.chars().fold(String::new(), |mut out, c| {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
        out
    })
}

/// One define for each kind of error, with the words of its documentation in `core/src/error.rs`.
fn statuses(root: &Path) -> String {
    let source = std::fs::read_to_string(root.join("core/src/error.rs")).unwrap();
    let lines = source.lines().map(str::trim).collect::<Vec<_>>();
    ErrorKind::ALL.iter().fold(String::new(), |mut out, kind| {
        let line = format!("{} = {},", kind.name(), *kind as i32);
        let at = lines.iter().position(|one| *one == line).unwrap_or_else(|| panic!("error.rs has no line {line}"));
        let doc = lines[at - 1].strip_prefix("/// ").unwrap_or_else(|| panic!("{line} is not documented"));
        writeln!(out, "/* {doc} */\n#define FOLKMOOT_{} ({})", upper(kind.name()), *kind as i32).unwrap();
        out
    })
}

fn version() -> String {
    let parts = ["MAJOR", "MINOR", "PATCH"].into_iter().zip(env!("CARGO_PKG_VERSION").split('.'));
    let mut out = String::from("/* The version of this header; folkmoot_version() has that of the library. */\n");
    for (name, number) in parts {
        writeln!(out, "#define FOLKMOOT_VERSION_{name} {number}").unwrap();
    }
    writeln!(out, "#define FOLKMOOT_VERSION \"{}\"", env!("CARGO_PKG_VERSION")).unwrap();
    out
}

fn header(root: &Path) -> String {
    let source = |name: &str| root.join("ffi/src").join(name);
    let mut builder = cbindgen::Builder::new().with_config(cbindgen::Config::from_file(root.join("ffi/cbindgen.toml")).unwrap());
    for name in FILES {
        builder = builder.with_src(source(name));
    }
    let mut body = Vec::new();
    builder.generate().unwrap().write(&mut body);
    let head = include_str!("header_head.h").replace("@VERSION@", &version()).replace("@STATUSES@", &statuses(root));
    format!("{head}{}{}", polished(&String::from_utf8(body).unwrap()), include_str!("header_tail.h"))
}

/// Comments of one line on one line; negative numbers in parentheses, so that `x-FOLKMOOT_Y` is no `x--1`.
fn polished(body: &str) -> String {
    let lines = body.lines().collect::<Vec<_>>();
    let (mut out, mut at) = (String::new(), 0);
    while at < lines.len() {
        let line = lines[at];
        if line.trim() == "/*" && lines.get(at + 2).is_some_and(|end| end.trim() == "*/") {
            writeln!(out, "{}/* {} */", &line[..line.len() - 2], lines[at + 1].trim()).unwrap();
            at += 3;
            continue;
        }
        match line.strip_prefix("#define ").and_then(|define| define.split_once(' ')) {
            Some((name, number)) if number.starts_with('-') => writeln!(out, "#define {name} ({number})").unwrap(),
            _ => writeln!(out, "{line}").unwrap(),
        }
        at += 1;
    }
    out
}

/// In the order in which the header tells them.
const FILES: &[&str] = &[
    "types.rs",
    "guard.rs",
    "logging.rs",
    "dispatch.rs",
    "member.rs",
    "ensemble.rs",
    "session.rs",
    "events.rs",
    "lists.rs",
    "multi.rs",
    "asynchronous.rs",
    "algorithms.rs",
    "hashing.rs",
];

#[test]
fn header_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (path, now) = (root.join("include/folkmoot.h"), header(root));
    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == now, "include/folkmoot.h is not what the source says; UPDATE_HEADER=1 rewrites it");
}

#[test]
fn every_kind_of_error_has_its_define() {
    let header = header(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap());
    for kind in ErrorKind::ALL {
        let line = format!("#define FOLKMOOT_{} ({})\n", upper(kind.name()), *kind as i32);
        assert!(header.contains(&line), "{line}");
    }
}
