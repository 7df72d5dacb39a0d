use super::*;
use std::sync::mpsc;

#[derive(Debug, PartialEq)]
enum Told {
    Message(MemberId, Vec<u8>),
    Link(MemberId, bool),
    Begins(MemberId, Vec<u8>),
    Record(Vec<u8>),
    Ends(MemberId, bool),
    Sent(MemberId, bool),
}

struct Teller(Mutex<mpsc::Sender<Told>>);

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

fn free() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn start(id: MemberId, addresses: &[String], ensemble: u8) -> (Links, mpsc::Receiver<Told>) {
    let (tell, told) = mpsc::channel();
    let peers = addresses.iter().enumerate().map(|(at, address)| (at as MemberId + 1, address.clone())).filter(|(other, _)| *other != id).collect();
    let options = LinkOptions { id, incarnation: 9, ensemble: [ensemble; 16], listen: addresses[usize::from(id) - 1].clone(), peers, tls: None, open: false };
    (Links::start(options, Arc::new(Teller(Mutex::new(tell)))).unwrap(), told)
}

fn next(told: &mpsc::Receiver<Told>) -> Told {
    told.recv_timeout(Duration::from_secs(20)).unwrap()
}

fn until(told: &mpsc::Receiver<Told>, wanted: &Told) {
    while next(told) != *wanted {}
}

#[test]
fn messages_come_in_order_and_a_member_that_ends_is_missed_at_once() {
    let addresses = [free(), free()];
    let (one, of_one) = start(1, &addresses, 0);
    assert!(!one.send(2, vec![1]), "nobody is there yet");
    let (two, of_two) = start(2, &addresses, 0);
    until(&of_one, &Told::Link(2, true));
    until(&of_two, &Told::Link(1, true));
    for number in 0..2000_u32 {
        assert!(one.send(2, number.to_le_bytes().repeat(10)));
    }
    for number in 0..2000_u32 {
        assert_eq!(next(&of_two), Told::Message(1, number.to_le_bytes().repeat(10)));
    }
    assert!(two.send(1, vec![7; LINK_QUEUE_BYTES_MAX / 8]));
    until(&of_one, &Told::Message(2, vec![7; LINK_QUEUE_BYTES_MAX / 8]));
    drop(two);
    until(&of_one, &Told::Link(2, false));
    let (two, of_two) = start(2, &addresses, 0);
    until(&of_one, &Told::Link(2, true));
    until(&of_two, &Told::Link(1, true));
    assert!(two.send(1, vec![8]));
    until(&of_one, &Told::Message(2, vec![8]));
}

#[test]
fn strangers_are_refused_and_cost_only_their_connection() {
    use std::io::{Read, Write};
    let addresses = [free(), free()];
    let (one, of_one) = start(1, &addresses, 0);
    let hello = |from, to, ensemble| frame::Hello { ensemble: [ensemble; 16], from, to, incarnation: 1, kind: frame::Kind::Messages };
    for (words, reason) in [(hello(2, 1, 5), 2), (hello(2, 3, 0), 3), (hello(9, 1, 0), 4), (hello(1, 1, 0), 4)] {
        let mut stream = std::net::TcpStream::connect(one.address()).unwrap();
        stream.write_all(&words.encode()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(answer[0], reason);
    }
    let mut garbage = std::net::TcpStream::connect(one.address()).unwrap();
    garbage.write_all(&[0xff; 200]).unwrap();
    let mut answer = Vec::new();
    // It ends, by a reset since not all was read.
    let _ = garbage.read_to_end(&mut answer);
    assert!(answer.is_empty());
    // A member that goes mad.
    let mut mad = std::net::TcpStream::connect(one.address()).unwrap();
    mad.write_all(&hello(2, 1, 0).encode()).unwrap();
    mad.read_exact(&mut [0; frame::ANSWER]).unwrap();
    mad.write_all(&(LINK_FRAME_BYTES_MAX_FOR_TESTS as u32 + 1).to_le_bytes()).unwrap();
    let _ = mad.read_to_end(&mut Vec::new());
    let (two, of_two) = start(2, &addresses, 0);
    until(&of_two, &Told::Link(1, true));
    until(&of_one, &Told::Link(2, true));
    assert!(two.send(1, vec![1]));
    until(&of_one, &Told::Message(2, vec![1]));
}

const LINK_FRAME_BYTES_MAX_FOR_TESTS: usize = crate::limits::LINK_FRAME_BYTES_MAX;

#[test]
fn a_snapshot_comes_whole_or_is_known_not_to() {
    let addresses = [free(), free()];
    let (one, of_one) = start(1, &addresses, 0);
    let (_two, of_two) = start(2, &addresses, 0);
    until(&of_one, &Told::Link(2, true));
    one.send_snapshot(2, b"about".to_vec(), Box::new(|out| (0..1000_u32).try_for_each(|number| out(&number.to_le_bytes()))));
    until(&of_two, &Told::Begins(1, b"about".to_vec()));
    for number in 0..1000_u32 {
        assert_eq!(next(&of_two), Told::Record(number.to_le_bytes().to_vec()));
    }
    assert_eq!(next(&of_two), Told::Ends(1, true));
    until(&of_one, &Told::Sent(2, true));
    // Broken off by who sends it, and by who takes it.
    one.send_snapshot(2, vec![], Box::new(|out| out(b"x").and_then(|()| Err(Error::new(ErrorKind::SystemError, "broken off")))));
    until(&of_two, &Told::Ends(1, false));
    until(&of_one, &Told::Sent(2, false));
    one.send_snapshot(2, vec![], Box::new(|out| out(b"no").and_then(|()| (0..100_000).try_for_each(|_| out(&[0; 1000])))));
    until(&of_two, &Told::Ends(1, false));
    until(&of_one, &Told::Sent(2, false));
}

#[test]
fn addresses_that_others_can_reach_need_tls_or_a_plain_word() {
    let (tell, _told) = mpsc::channel();
    let options =
        LinkOptions { id: 1, incarnation: 1, ensemble: [0; 16], listen: "127.0.0.1:0".into(), peers: vec![(2, "192.0.2.1:1".into())], tls: None, open: false };
    let refused = Links::start(options, Arc::new(Teller(Mutex::new(tell)))).err().unwrap();
    assert!(refused.to_string().contains("192.0.2.1"), "{refused}");
}
