use super::frame::{ANSWER, Hello, Kind};
use super::*;
use crate::limits::{LINK_QUEUE_BYTES_MAX, LINK_STRANGERS_MAX};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
use std::time::Duration;
use tokio::runtime::Builder;

#[derive(Debug, PartialEq)]
pub(super) enum Told {
    Message(MemberId, Vec<u8>),
    Link(MemberId, bool),
    Begins(MemberId, Vec<u8>),
    Record(Vec<u8>),
    Ends(MemberId, bool),
    Sent(MemberId, bool),
}

pub(super) struct Teller(pub(super) Mutex<mpsc::Sender<Told>>);

impl Teller {
    fn put(&self, told: Told) {
        let _ = self.0.lock().send(told);
    }
}

impl Peers for Teller {
    fn arrived(&self, from: MemberId, message: Vec<u8>) {
        self.put(Told::Message(from, message));
    }
    fn link(&self, with: MemberId, up: bool) {
        self.put(Told::Link(with, up));
    }
    fn snapshot_begins(&self, from: MemberId, about: Vec<u8>) -> Result<()> {
        self.put(Told::Begins(from, about));
        Ok(())
    }
    fn snapshot_record(&self, _: MemberId, record: &[u8]) -> Result<()> {
        self.put(Told::Record(record.to_vec()));
        if record == b"no" { Err(Error::new(ErrorKind::Corrupt, "no")) } else { Ok(()) }
    }
    fn snapshot_ends(&self, from: MemberId, whole: bool) {
        self.put(Told::Ends(from, whole));
    }
    fn snapshot_sent(&self, to: MemberId, arrived: bool) {
        self.put(Told::Sent(to, arrived));
    }
}

pub(super) fn options(id: MemberId, listen: &str) -> LinkOptions {
    LinkOptions { id, incarnation: 9, ensemble: [0; 16], listen: listen.into(), peers: Vec::new(), tls: None, open: false }
}

pub(super) fn start(options: LinkOptions) -> (Links, mpsc::Receiver<Told>) {
    let (tell, told) = mpsc::channel();
    (Links::start(options, Arc::new(Teller(Mutex::new(tell)))).unwrap(), told)
}

/// Member `id`, alone so far.
fn alone(id: MemberId) -> (Links, mpsc::Receiver<Told>) {
    start(options(id, "127.0.0.1:0"))
}

pub(super) fn meet(all: &[&Links]) {
    let peers: Vec<_> = all.iter().map(|links| (links.shared.id, links.address().to_string())).collect();
    all.iter().for_each(|links| links.set_peers(peers.clone()));
}

pub(super) fn next(told: &mpsc::Receiver<Told>) -> Told {
    told.recv_timeout(Duration::from_secs(60)).unwrap()
}

pub(super) fn until(told: &mpsc::Receiver<Told>, wanted: &Told) {
    while next(told) != *wanted {}
}

/// Waits until both connections of a member that has gone are known to be dead: a late one would break a new link once more.
fn until_gone(links: &Links, told: &mpsc::Receiver<Told>, other: MemberId) {
    assert_eq!(next(told), Told::Link(other, false));
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(links.shared.peer(other).unwrap().silent());
}

/// Members 1 and 2, with links both ways.
fn two() -> ((Links, mpsc::Receiver<Told>), (Links, mpsc::Receiver<Told>)) {
    let ((one, of_one), (two, of_two)) = (alone(1), alone(2));
    meet(&[&one, &two]);
    until(&of_one, &Told::Link(2, true));
    until(&of_two, &Told::Link(1, true));
    ((one, of_one), (two, of_two))
}

fn hello(from: MemberId, to: MemberId, ensemble: u8, kind: Kind) -> Vec<u8> {
    Hello { ensemble: [ensemble; 16], from, to, incarnation: 1, kind }.encode().to_vec()
}

/// A connection of member 2, or of whoever says so; and what it was answered.
fn call(at: SocketAddr, hello: &[u8]) -> (TcpStream, u8) {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.write_all(hello).unwrap();
    let mut answer = [0; ANSWER];
    stream.read_exact(&mut answer).unwrap();
    (stream, answer[0])
}

/// Whether the other end has closed it.
fn is_over(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    match stream.read(&mut [0]) {
        Ok(count) => count == 0,
        // A reset: it had not read all.
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put(&mut out, bytes);
    out
}

/// Takes a call of member 1 as member 2 would.
fn welcome(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    let mut hello = [0; frame::HELLO];
    stream.read_exact(&mut hello).unwrap();
    stream.write_all(&frame::answer(Ok(1))).unwrap();
    stream
}

/// Member 1, and a listener in the place of member 2.
fn with_impostor() -> (Links, mpsc::Receiver<Told>, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (one, of_one) = alone(1);
    one.set_peers(vec![(2, listener.local_addr().unwrap().to_string())]);
    (one, of_one, listener)
}

#[test]
fn messages_come_in_order_and_a_member_that_ends_is_missed_at_once() {
    let ((one, of_one), (two, of_two)) = two();
    for number in 0..2000_u32 {
        assert!(one.send(2, number.to_le_bytes().repeat(10)));
    }
    for number in 0..2000_u32 {
        assert_eq!(next(&of_two), Told::Message(1, number.to_le_bytes().repeat(10)));
    }
    assert!(two.send(1, vec![7; LINK_FRAME_BYTES_MAX]));
    until(&of_one, &Told::Message(2, vec![7; LINK_FRAME_BYTES_MAX]));
    assert!(!two.send(1, vec![7; LINK_FRAME_BYTES_MAX + 1]));
    assert!(!two.send(3, vec![7]), "nobody of that number");
    let at = two.address().to_string();
    drop(two);
    until_gone(&one, &of_one, 2);
    assert!(!one.send(2, vec![1]));
    let (two, of_two) = start(options(2, &at));
    meet(&[&one, &two]);
    until(&of_one, &Told::Link(2, true));
    until(&of_two, &Told::Link(1, true));
    assert!(two.send(1, vec![8]));
    until(&of_one, &Told::Message(2, vec![8]));
}

#[test]
fn who_the_others_are_can_change() {
    let ((one, of_one), (two, of_two), (three, of_three)) = (alone(1), alone(2), alone(3));
    meet(&[&one, &two, &three]);
    for (told, others) in [(&of_one, [2, 3]), (&of_two, [1, 3]), (&of_three, [1, 2])] {
        let mut up = [next(told), next(told)];
        up.sort_by_key(|told| format!("{told:?}"));
        assert_eq!(up, others.map(|other| Told::Link(other, true)));
    }
    for (from, to, told) in [(&one, 2, &of_two), (&two, 3, &of_three), (&three, 1, &of_one)] {
        assert!(from.send(to, vec![9]));
        assert_eq!(next(told), Told::Message(from.shared.id, vec![9]));
    }
    // Cut: both are told, and it calls in vain.
    one.set_peers(vec![(3, three.address().to_string())]);
    assert_eq!(next(&of_one), Told::Link(2, false));
    assert_eq!(next(&of_two), Told::Link(1, false));
    assert!(!one.send(2, vec![1]));
    assert_eq!(call(one.address(), &hello(2, 1, 0, Kind::Messages)).1, 4);
    meet(&[&one, &two, &three]);
    assert_eq!(next(&of_one), Told::Link(2, true));
    until(&of_two, &Told::Link(1, true));
    // The same member, somewhere else.
    let (elsewhere, of_elsewhere) = alone(2);
    drop(two);
    until_gone(&one, &of_one, 2);
    meet(&[&one, &elsewhere, &three]);
    until(&of_one, &Told::Link(2, true));
    assert!(one.send(2, vec![5]));
    until(&of_elsewhere, &Told::Message(1, vec![5]));
}

#[test]
fn strangers_are_refused_and_cost_only_their_connection() {
    let ((one, of_one), (two, _of_two)) = two();
    let at = one.address();
    let odd = |byte: usize, value: u8| {
        let mut hello = hello(2, 1, 0, Kind::Messages);
        hello[byte] = value;
        hello
    };
    for (words, reason) in [
        (hello(2, 1, 5, Kind::Messages), 2),
        (hello(2, 3, 0, Kind::Messages), 3),
        (hello(9, 1, 0, Kind::Messages), 4),
        (hello(1, 1, 0, Kind::Snapshot), 4),
        (odd(8, 2), 1),
        (odd(9, 0), 1),
        (odd(frame::HELLO - 1, 7), 6),
    ] {
        let (mut stream, answer) = call(at, &words);
        assert_eq!(answer, reason);
        assert!(is_over(&mut stream));
    }
    let mut garbage = TcpStream::connect(at).unwrap();
    garbage.write_all(&[0xff; 200]).unwrap();
    assert!(is_over(&mut garbage));
    // None of it was noticed by the members.
    assert!(two.send(1, vec![1]));
    assert_eq!(next(&of_one), Told::Message(2, vec![1]));
}

#[test]
fn who_says_nothing_leaves_room_for_others() {
    let (one, of_one) = alone(1);
    let mut silent: Vec<_> = (0..LINK_STRANGERS_MAX + 8).map(|_| TcpStream::connect(one.address()).unwrap()).collect();
    for slow in &mut silent {
        // A few bytes, and never the rest. Those that have had to go already need not take them.
        let _ = slow.write_all(b"FOLK");
    }
    let (two, of_two) = alone(2);
    meet(&[&one, &two]);
    until(&of_two, &Told::Link(1, true));
    until(&of_one, &Told::Link(2, true));
    assert!(silent.iter_mut().all(is_over), "in the end all of them have to go");
    assert!(two.send(1, vec![1]));
    until(&of_one, &Told::Message(2, vec![1]));
}

#[test]
fn a_member_gone_mad_costs_its_link_only() {
    let (one, of_one, listener) = with_impostor();
    let _there = welcome(&listener);
    assert_eq!(next(&of_one), Told::Link(2, true));
    let (mut mad, answer) = call(one.address(), &hello(2, 1, 0, Kind::Messages));
    assert_eq!(answer, 0);
    mad.write_all(&frame(b"still sane")).unwrap();
    assert_eq!(next(&of_one), Told::Message(2, b"still sane".to_vec()));
    mad.write_all(&(LINK_FRAME_BYTES_MAX as u32 + 1).to_le_bytes()).unwrap();
    assert!(is_over(&mut mad));
    assert_eq!(next(&of_one), Told::Link(2, false));
    let _there = welcome(&listener);
    assert_eq!(next(&of_one), Told::Link(2, true));
}

#[test]
fn a_new_connection_takes_the_place_of_the_old_one() {
    let (one, of_one, listener) = with_impostor();
    let _there = welcome(&listener);
    assert_eq!(next(&of_one), Told::Link(2, true));
    let (mut old, _) = call(one.address(), &hello(2, 1, 0, Kind::Messages));
    old.write_all(&frame(b"old")).unwrap();
    assert_eq!(next(&of_one), Told::Message(2, b"old".to_vec()));
    // Half a message, which must never be taken together with anything else.
    old.write_all(&frame(b"unfinished")[..9]).unwrap();
    let (mut new, _) = call(one.address(), &hello(2, 1, 0, Kind::Messages));
    let _ = old.write_all(b"finished");
    assert_eq!(next(&of_one), Told::Link(2, false));
    let _there = welcome(&listener);
    assert_eq!(next(&of_one), Told::Link(2, true));
    assert!(is_over(&mut old));
    new.write_all(&frame(b"new")).unwrap();
    assert_eq!(next(&of_one), Told::Message(2, b"new".to_vec()));
    // It ends, and with it what goes there, though that connection looks well.
    drop(new);
    assert_eq!(next(&of_one), Told::Link(2, false));
}

#[test]
fn a_refusal_is_no_link_and_it_is_tried_again() {
    let (_one, of_one, listener) = with_impostor();
    for answer in [frame::answer(Err(frame::Refusal::Version)), [0, 200], frame::answer(Err(frame::Refusal::Unknown))] {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; frame::HELLO]).unwrap();
        stream.write_all(&answer).unwrap();
        assert!(is_over(&mut stream));
    }
    let _there = welcome(&listener);
    assert_eq!(next(&of_one), Told::Link(2, true));
}

#[test]
fn what_nobody_takes_is_bounded_and_breaks_the_link() {
    let (one, of_one, listener) = with_impostor();
    let _there = welcome(&listener);
    assert_eq!(next(&of_one), Told::Link(2, true));
    let message = vec![0; 1 << 20];
    // The queue, what one write takes, and the system's own buffers.
    let most = LINK_QUEUE_BYTES_MAX / message.len() * 4;
    let sent = (0..most).take_while(|_| one.send(2, message.clone())).count();
    assert!(sent > 0 && sent < most, "{sent} MiB");
    assert_eq!(next(&of_one), Told::Link(2, false));
}

#[test]
fn a_snapshot_comes_whole_or_is_known_not_to() {
    let ((one, of_one), (_two, of_two)) = two();
    one.send_snapshot(2, b"about".to_vec(), Box::new(|out| (0..1000_u32).try_for_each(|number| out(&number.to_le_bytes()))));
    assert_eq!(next(&of_two), Told::Begins(1, b"about".to_vec()));
    for number in 0..1000_u32 {
        assert_eq!(next(&of_two), Told::Record(number.to_le_bytes().to_vec()));
    }
    assert_eq!(next(&of_two), Told::Ends(1, true));
    assert_eq!(next(&of_one), Told::Sent(2, true));
    // Broken off by who sends it before anything has been sent, and midway; and by who takes it.
    let broken_off = || Err(Error::new(ErrorKind::SystemError, "broken off"));
    one.send_snapshot(2, vec![], Box::new(move |out| out(b"x").and_then(|()| broken_off())));
    assert_eq!(next(&of_one), Told::Sent(2, false));
    one.send_snapshot(2, vec![], Box::new(move |out| (0..5).try_for_each(|_| out(&vec![1; 1 << 20])).and_then(|()| broken_off())));
    assert_eq!(next(&of_two), Told::Begins(1, vec![]));
    until(&of_two, &Told::Ends(1, false));
    assert_eq!(next(&of_one), Told::Sent(2, false));
    one.send_snapshot(2, vec![], Box::new(|out| out(b"no").and_then(|()| (0..1_000_000).try_for_each(|_| out(&[0; 1000])))));
    until(&of_two, &Told::Ends(1, false));
    assert_eq!(next(&of_one), Told::Sent(2, false));
    // A record that is too long, a bug, and nobody to send it to.
    one.send_snapshot(2, vec![], Box::new(|out| out(&vec![0; crate::limits::SNAPSHOT_FRAME_BYTES_MAX + 1])));
    assert_eq!(next(&of_one), Told::Sent(2, false));
    one.send_snapshot(2, vec![], Box::new(|_| panic!("a bug")));
    assert_eq!(next(&of_one), Told::Sent(2, false));
    one.send_snapshot(7, vec![], Box::new(|_| Ok(())));
    assert_eq!(next(&of_one), Told::Sent(7, false));
    // And messages go as before.
    assert!(one.send(2, vec![1]));
    until(&of_two, &Told::Message(1, vec![1]));
}

#[test]
fn a_snapshot_that_is_not_what_was_sent_is_not_whole() {
    let (one, of_one, listener) = with_impostor();
    let _there = welcome(&listener);
    assert_eq!(next(&of_one), Told::Link(2, true));
    let crc = crc32c::crc32c(b"record");
    let sent = |end: &[u8]| {
        let (mut stream, _) = call(one.address(), &hello(2, 1, 0, Kind::Snapshot));
        stream.write_all(&[frame(b"about"), frame(b"record"), end.to_vec()].concat()).unwrap();
        stream
    };
    let whole = |is_whole| {
        assert_eq!(next(&of_one), Told::Begins(2, b"about".to_vec()));
        assert_eq!(next(&of_one), Told::Record(b"record".to_vec()));
        assert_eq!(next(&of_one), Told::Ends(2, is_whole));
    };
    let mut good = sent(&frame::end(1, crc));
    whole(true);
    let mut answer = Vec::new();
    good.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, [0]);
    for bad in [frame::end(2, crc), frame::end(1, crc + 1)] {
        let mut stream = sent(&bad);
        whole(false);
        assert!(is_over(&mut stream));
    }
    // Its sender dies.
    drop(sent(&frame(b"unfinished")[..7]));
    whole(false);
    // It is begun anew: the first one ends before the second begins.
    let mut first = sent(b"");
    assert_eq!(next(&of_one), Told::Begins(2, b"about".to_vec()));
    assert_eq!(next(&of_one), Told::Record(b"record".to_vec()));
    let _second = sent(&frame::end(1, crc));
    assert_eq!(next(&of_one), Told::Ends(2, false));
    whole(true);
    assert!(is_over(&mut first));
}

#[test]
fn a_snapshot_is_made_no_faster_than_it_is_taken() {
    /// Takes records, slowly.
    struct Slow(Arc<AtomicUsize>, Teller);
    impl Peers for Slow {
        fn arrived(&self, _: MemberId, _: Vec<u8>) {}
        fn link(&self, _: MemberId, _: bool) {}
        fn snapshot_begins(&self, _: MemberId, _: Vec<u8>) -> Result<()> {
            Ok(())
        }
        fn snapshot_record(&self, _: MemberId, record: &[u8]) -> Result<()> {
            assert_ne!((0..50).fold(1, |crc, _| crc32c::crc32c_append(crc, record)), 0);
            self.0.fetch_add(record.len(), Ordering::SeqCst);
            Ok(())
        }
        fn snapshot_ends(&self, from: MemberId, whole: bool) {
            self.1.put(Told::Ends(from, whole));
        }
        fn snapshot_sent(&self, _: MemberId, _: bool) {}
    }
    const RECORD: usize = 64 * 1024;
    const RECORDS: usize = 2048;
    let (tell, told) = mpsc::channel();
    let taken = Arc::new(AtomicUsize::new(0));
    let slow = Links::start(options(2, "127.0.0.1:0"), Arc::new(Slow(taken.clone(), Teller(Mutex::new(tell))))).unwrap();
    let (one, of_one) = alone(1);
    meet(&[&one, &slow]);
    let (say, ahead) = mpsc::channel();
    let records = move |out: &mut dyn FnMut(&[u8]) -> Result<()>| {
        let mut most = 0;
        for number in 1..=RECORDS {
            out(&vec![number as u8; RECORD])?;
            most = most.max((number * RECORD).saturating_sub(taken.load(Ordering::SeqCst)));
        }
        say.send(most).map_err(|_| Error::new(ErrorKind::Closing, "the test is over"))
    };
    one.send_snapshot(2, vec![], Box::new(records));
    until(&told, &Told::Ends(1, true));
    until(&of_one, &Told::Sent(2, true));
    // Batches ahead and the system's buffers, not the whole.
    let most = ahead.recv().unwrap();
    assert!(most < RECORD * RECORDS / 2, "{most} bytes ahead");
}

#[test]
fn nothing_is_told_once_closed() {
    let ((one, of_one), (two, of_two)) = two();
    one.send_snapshot(2, b"endless".to_vec(), Box::new(|out| (0..).try_for_each(|_: u64| out(&[1; 10_000]))));
    until(&of_two, &Told::Begins(1, b"endless".to_vec()));
    two.send(1, vec![1; 1 << 20]);
    one.close();
    of_one.try_iter().for_each(drop);
    assert_eq!(of_one.try_recv().unwrap_err(), mpsc::TryRecvError::Disconnected, "who was told is let go of");
    assert!(one.shared.tell(|_| ()).is_none());
    until(&of_two, &Told::Ends(1, false));
    one.close();
}

#[test]
fn addresses_that_others_can_reach_need_tls_or_a_plain_word() {
    let (tell, _told) = mpsc::channel();
    let given = LinkOptions { peers: vec![(2, "192.0.2.1:1".into())], ..options(1, "127.0.0.1:0") };
    let refused = Links::start(given, Arc::new(Teller(Mutex::new(tell)))).err().unwrap();
    assert!(refused.to_string().contains("192.0.2.1"), "{refused}");
    // Later, too: whatever was said, and whatever a name means by then.
    let (one, _told) = alone(1);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let refused = runtime.block_on(dial::connect(&one.shared, &Peer::new(2, String::new()), "192.0.2.1:1", Kind::Messages)).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::BadArguments, "{refused}");
    let (open, _told) = start(LinkOptions { open: true, ..options(1, "0.0.0.0:0") });
    assert!(open.shared.is_private(&[192, 0, 2, 1].into()) && !one.shared.is_private(&[192, 0, 2, 1].into()));
}

#[cfg(target_os = "linux")]
#[test]
fn no_signal_reaches_its_threads() {
    let (_one, _told) = alone(1);
    let mut seen = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        // Another test's thread may have ended meanwhile.
        let Ok(status) = std::fs::read_to_string(task.path().join("status")) else { continue };
        if status.contains("fm-peers") {
            let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
            assert_ne!(u64::from_str_radix(blocked.trim(), 16).unwrap() & (1 << 14), 0, "SIGTERM");
            seen += 1;
        }
    }
    assert!(seen >= 2, "{seen}");
}
