//! Slot maps against the files in `tests/data/hashing`, which C and Python read too.

use folkmoot::hashing::{Filler, KeyHash, Placement, SlotMap, SlotNode, SlotOptions, Spread};
use std::path::{Path, PathBuf};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/hashing")
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn given(word: &str) -> Option<&str> {
    (word != "-").then_some(word)
}

fn node<'a>(name: &'a str, weight: &str, domain: &'a str) -> SlotNode<'a> {
    SlotNode::new(name).weight(weight.parse().unwrap()).domain(given(domain).unwrap_or(""))
}

/// The FNV-1a of the owners of 10,000 keys.
fn owners(map: &SlotMap) -> u64 {
    let owner = |key: u32| map.locate_number(format!("key:{key}").as_bytes()).to_le_bytes();
    (0..10_000).flat_map(owner).fold(0xcbf2_9ce4_8422_2325, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[test]
fn histories_come_to_what_they_have_always_come_to() {
    let file = data().join("slots.txt");
    let (text, mut now, mut map, mut checks) = (read(&file), String::new(), SlotMap::new(), 0);
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["map", filler, slots, replicas, spread, cap, secret] => {
                let cap_percent = given(cap).map(|cap| cap.parse().unwrap());
                let options = SlotOptions {
                    slots: given(slots).map(|slots| slots.parse().unwrap()),
                    replicas: replicas.parse().unwrap(),
                    filler: if filler == "coordinated" { Filler::Coordinated } else { Filler::Rendezvous { cap_percent } },
                    spread: if spread == "balance" { Spread::Balance } else { Spread::Domains },
                    hash: given(secret).map_or(KeyHash::Fm1, |secret| KeyHash::Sip(secret.as_bytes().try_into().unwrap())),
                };
                map = SlotMap::with_options(options).unwrap();
            }
            ["with", name, weight, domain] => map = map.with_node(node(name, weight, domain)).unwrap(),
            ["without", name] => map = map.without(name.as_bytes()).unwrap(),
            ["is", ..] => {
                assert_eq!(SlotMap::from_bytes(&map.to_bytes()).unwrap(), map);
                let digest: String = map.digest().iter().map(|byte| format!("{byte:02x}")).collect();
                now += &format!("is {} {digest} {:016x}\n", map.epoch(), owners(&map));
                checks += 1;
                continue;
            }
            _ => assert!(line.starts_with('#'), "{line}"),
        }
        now += line;
        now.push('\n');
    }
    if std::env::var_os("UPDATE_HASHING").is_some() {
        std::fs::write(&file, &now).unwrap();
    }
    assert!(checks >= 140, "{checks} checks");
    for (at, (now, kept)) in now.lines().zip(read(&file).lines()).enumerate() {
        assert_eq!(now, kept, "line {} of {}", at + 1, file.display());
    }
}

/// Written by a program that shares no code with us.
#[test]
fn lots_fall_as_specified() {
    for name in ["lots-equal.txt", "lots-weighted.txt", "lots-capped.txt", "lots-apart.txt", "lots-racks.txt"] {
        let text = read(&data().join(name));
        let (mut map, mut nodes, mut slot) = (None, Vec::new(), 0);
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["#", "map", slots, replicas, cap] => {
                    let filler = Filler::Rendezvous { cap_percent: given(cap).map(|cap| cap.parse().unwrap()) };
                    let options = SlotOptions { slots: slots.parse().ok(), replicas: replicas.parse().unwrap(), filler, ..SlotOptions::default() };
                    map = Some(SlotMap::with_options(options).unwrap());
                }
                ["#", "node", name, weight, domain] => nodes.push(node(name, weight, domain)),
                _ => {
                    if !nodes.is_empty() {
                        map = Some(map.unwrap().next(nodes.drain(..)).unwrap());
                    }
                    let map = map.as_ref().unwrap();
                    let row: Vec<&str> = map.row(slot).iter().map(|node| std::str::from_utf8(map.node(*node).unwrap().name).unwrap()).collect();
                    assert_eq!(row, words, "{name}: slot {slot}");
                    slot += 1;
                }
            }
        }
        assert!(slot >= 256, "{name}");
    }
}
