//! The messages: what they measure, and that their bytes come back whole or are refused.

use bytes::Bytes;
use protobuf::{Message as _, ProtobufEnum};
use raft_proto::eraftpb::*;
use raft_proto::{ConfChangeI, conf_state_eq, new_conf_change_single, parse_conf_change, stringify_conf_change};

fn entry() -> Entry {
    Entry {
        entry_type: EntryType::EntryConfChangeV2,
        term: 300,
        index: 70_000,
        data: Bytes::from(vec![7; 200]),
        sync_log: true,
        context: Bytes::from_static(b"why"),
        ..Entry::default()
    }
}

fn state() -> ConfState {
    ConfState { voters: vec![1, 2, 300], learners: vec![4], voters_outgoing: vec![1, 2], learners_next: vec![2], auto_leave: true, ..ConfState::default() }
}

fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot { data: Bytes::from_static(b"tree"), ..Snapshot::default() };
    snapshot.mut_metadata().set_index(9);
    snapshot.mut_metadata().set_term(2);
    snapshot.mut_metadata().set_conf_state(state());
    snapshot
}

fn message() -> Message {
    Message {
        msg_type: MessageType::MsgAppend,
        to: 2,
        from: 1,
        term: 300,
        log_term: 299,
        index: 69_999,
        entries: vec![entry(), Entry::default()].into(),
        commit: 69_000,
        snapshot: Some(snapshot()).into(),
        reject: true,
        reject_hint: 1 << 35,
        context: Bytes::from_static(b"read 7"),
        request_snapshot: 1,
        deprecated_priority: 2,
        commit_term: 300,
        priority: -1,
        ..Message::default()
    }
}

fn change() -> ConfChangeV2 {
    ConfChangeV2 {
        transition: ConfChangeTransition::Explicit,
        changes: parse_conf_change("v4 l5 r300").unwrap().into(),
        context: Bytes::from_static(b"ctx"),
        ..ConfChangeV2::default()
    }
}

const CHANGE_BYTES: [u8; 24] = [8, 2, 18, 2, 16, 4, 18, 4, 8, 2, 16, 5, 18, 5, 8, 1, 16, 172, 2, 26, 3, 99, 116, 120];
const OLD_BYTES: [u8; 8] = [16, 2, 24, 128, 128, 1, 8, 1];

/// The figures are what the published crate says of the same messages.
#[test]
fn sizes_are_those_of_protobuf() {
    assert_eq!(Entry::default().compute_size(), 0);
    assert_eq!(Message::default().compute_size(), 0);
    assert_eq!(entry().compute_size(), 219);
    assert_eq!(state().compute_size(), 17);
    assert_eq!(snapshot().compute_size(), 31);
    assert_eq!(message().compute_size(), 313);
    assert_eq!(change().compute_size(), 24);
    let old = ConfChange { id: 1, change_type: ConfChangeType::AddLearnerNode, node_id: 1 << 14, ..Default::default() };
    assert_eq!(old.compute_size(), 8);
}

fn comes_back<M: protobuf::Message + PartialEq + std::fmt::Debug>(message: M) {
    let bytes = message.write_to_bytes().unwrap();
    let mut read = M::default();
    read.merge_from_bytes(&bytes).unwrap();
    assert_eq!(read, message);

    assert_eq!(bytes.len(), message.compute_size() as usize);

    // Whatever is cut off, it never comes back the same; refused, it changes nothing.
    for len in 0..bytes.len() {
        let mut read = M::default();
        match read.merge_from_bytes(&bytes[..len]) {
            Ok(()) => assert_ne!(read, message, "cut to {len} bytes"),
            Err(_) => assert_eq!(read, M::default()),
        }
    }
}

#[test]
fn what_is_written_is_read_back() {
    comes_back(entry());
    comes_back(state());
    comes_back(snapshot());
    comes_back(message());
    comes_back(change());
    comes_back(HardState { term: u64::MAX, vote: 3, commit: 1, ..HardState::default() });
    comes_back(ConfChange { change_type: ConfChangeType::RemoveNode, node_id: 3, ..Default::default() });
    comes_back(ConfChangeSingle::default());
}

/// The library itself puts the change that ends another one into the log as an entry without data.
#[test]
fn an_empty_change_is_no_bytes() {
    assert!(ConfChangeV2::default().write_to_bytes().unwrap().is_empty());
    let mut read = ConfChangeV2::default();
    read.merge_from_bytes(&[]).unwrap();
    assert!(read.leave_joint());
}

/// Any bytes are a message or an error. Method: each byte of real ones set to each of some values, and noise.
#[test]
fn any_bytes_are_read_without_panic() {
    fn try_all(bytes: &[u8]) {
        let _ = ConfChange::default().merge_from_bytes(bytes);
        let _ = ConfChangeV2::default().merge_from_bytes(bytes);
        let _ = Message::default().merge_from_bytes(bytes);
        let _ = Snapshot::default().merge_from_bytes(bytes);
    }
    for bytes in [change().write_to_bytes().unwrap(), message().write_to_bytes().unwrap()] {
        for at in 0..bytes.len() {
            for value in [0, 1, 2, 3, 0x7f, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] = value;
                try_all(&bytes);
            }
        }
    }
    let mut noise = 1u64;
    for len in 0..2_000 {
        let bytes: Vec<u8> = (0..len % 97)
            .map(|_| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (noise >> 60) as u8
            })
            .collect();
        try_all(&bytes);
    }
    let long = [0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]; // a change said to take 4 GiB
    let wide = [0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]; // 65 bits
    let endless = [0x13; 10_000]; // groups within groups, by which the published crate's stack runs over
    for bytes in [&long[..], &wide, &endless] {
        assert!(ConfChangeV2::default().merge_from_bytes(bytes).is_err());
    }
}

/// Written by the published crates for the same change, so either build reads the other's log.
#[test]
fn bytes_are_those_of_protobuf() {
    assert_eq!(change().write_to_bytes().unwrap(), CHANGE_BYTES);
    let old = ConfChange { id: 1, change_type: ConfChangeType::AddLearnerNode, node_id: 1 << 14, ..Default::default() };
    assert_eq!(old.write_to_bytes().unwrap(), OLD_BYTES);
    // A field of a later version is passed over.
    let later = [&CHANGE_BYTES[..], &[0xa0, 0x06, 0x01]].concat();
    let mut read = ConfChangeV2::default();
    read.merge_from_bytes(&later).unwrap();
    assert_eq!(read, change());
}

#[test]
fn numbers_and_variants() {
    for (number, variant) in MessageType::values().iter().enumerate() {
        assert_eq!(variant.value(), number as i32);
        assert_eq!(MessageType::from_i32(number as i32), Some(*variant));
    }
    assert_eq!(MessageType::values().len(), 19);
    assert_eq!(MessageType::MsgRequestPreVoteResponse.value(), 18);
    assert_eq!(MessageType::from_i32(19), None);
    assert_eq!(MessageType::from_i32(-1), None);
}

#[test]
fn changes_in_words() {
    let changes = parse_conf_change(" v1  l2 r3 ").unwrap();
    assert_eq!(stringify_conf_change(&changes), "v1 l2 r3");
    assert_eq!(changes[1], new_conf_change_single(2, ConfChangeType::AddLearnerNode));
    assert!(parse_conf_change("").unwrap().is_empty());
    for wrong in ["x1", "v", "v-1", "vé", "é1"] {
        assert!(parse_conf_change(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn which_changes_go_through_two_majorities() {
    let change = |words: &str, transition| ConfChangeV2 { transition, changes: parse_conf_change(words).unwrap().into(), ..ConfChangeV2::default() };
    use ConfChangeTransition::{Auto, Explicit, Implicit};
    assert_eq!(change("v1", Auto).enter_joint(), None);
    assert_eq!(change("v1 r2", Auto).enter_joint(), Some(true));
    assert_eq!(change("v1", Implicit).enter_joint(), Some(true));
    assert_eq!(change("v1", Explicit).enter_joint(), Some(false));
    assert!(change("", Auto).leave_joint());
    assert!(!change("", Explicit).leave_joint());
    assert!(!change("v1", Auto).leave_joint());
    let old = ConfChange { change_type: ConfChangeType::RemoveNode, node_id: 2, ..ConfChange::default() };
    assert_eq!(old.as_v2().into_owned(), change("r2", Auto));
    assert!(old.as_v1().is_some() && old.clone().into_v2().as_v1().is_none());
}

#[test]
fn members_in_any_order_are_the_same_members() {
    let one = ConfState::from((vec![1, 2, 3], vec![4]));
    assert!(conf_state_eq(&one, &ConfState::from((vec![3, 1, 2], vec![4]))));
    assert!(!conf_state_eq(&one, &ConfState::from((vec![1, 2], vec![4]))));
    assert!(!conf_state_eq(&one, &ConfState { auto_leave: true, ..one.clone() }));
    assert!(!conf_state_eq(&ConfState::from((vec![1], vec![2])), &ConfState::from((vec![2], vec![1]))));
}

#[test]
fn what_is_missing_reads_as_the_default() {
    let mut message = Message::new();
    assert!(!message.has_snapshot() && message.get_snapshot().is_empty());
    assert_eq!(message.get_snapshot().get_metadata().get_conf_state(), &ConfState::default());
    message.mut_snapshot().mut_metadata().index = 3;
    assert!(!message.get_snapshot().is_empty());
    assert_eq!(message.take_snapshot().get_metadata().index, 3);
    assert!(!message.has_snapshot() && message.take_snapshot().is_empty());
}
