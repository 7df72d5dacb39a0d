//! SASL DIGEST-MD5, the server's side: does this client know the password of the user it names?
//!
//! Two steps, as ZooKeeper's server takes them: whatever the first token holds, a challenge goes back;
//! the second token answers it, and is right or wrong. The realm and the host in `digest-uri` are
//! [`REALM`] and the service is `zookeeper`, for that is what every client of ZooKeeper names. Only
//! authentication is agreed on (`qop=auth`); no layer is put on the connection.
//!
//! A user nobody knows costs as much as a wrong password and is answered alike.
//!
//! Not here: chance (the nonce is an argument), who is `super`, what a failure does to the connection.
//! Source: RFC 2831; which liberties are taken with it, a real ZooKeeper 3.8.

use crate::error::{Error, ErrorKind, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

/// The realm of the challenge, and the host that clients name.
pub const REALM: &str = "zk-sasl-md5";
/// `digest-uri` of every client, in whatever case.
const DIGEST_URI: &str = "zookeeper/zk-sasl-md5";
/// Bytes of a nonce: as many as ZooKeeper's, and a whole number of Base64's letters.
pub const NONCE_BYTES: usize = 30;
/// Bytes of a token: RFC 2831 says less than 4096.
pub const TOKEN_BYTES_MAX: usize = 4096;

/// One client's attempt.
#[derive(Debug)]
pub struct Exchange {
    nonce: String,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fresh,
    Challenged,
    Over,
}

/// What goes back to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The server's token.
    pub token: Vec<u8>,
    /// Who the client is, once that is shown.
    pub user: Option<String>,
}

impl Exchange {
    /// An attempt whose challenge carries `nonce`: chance that was not used before.
    pub fn new(nonce: [u8; NONCE_BYTES]) -> Self {
        Self { nonce: STANDARD.encode(nonce), state: State::Fresh }
    }

    /// Answers the client's next token; `users` are names and passwords.
    ///
    /// # Errors
    /// [`ErrorKind::AuthFailed`]; the attempt is over, and a client that tries again begins another.
    pub fn step(&mut self, users: &[(String, String)], token: &[u8]) -> Result<Step> {
        match self.state {
            State::Fresh => {
                self.state = State::Challenged;
                let token = format!("realm=\"{REALM}\",nonce=\"{}\",charset=utf-8,algorithm=md5-sess", self.nonce);
                Ok(Step { token: token.into_bytes(), user: None })
            }
            State::Challenged => {
                self.state = State::Over;
                let answer = Answer::parse(token)?;
                let user = answer.check(&self.nonce, users)?;
                Ok(Step { token: user.1, user: Some(user.0) })
            }
            State::Over => Err(failed("the exchange is over")),
        }
    }
}

fn failed(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::AuthFailed, format!("SASL DIGEST-MD5: {}", why.into()))
}

/// The directives of a `digest-response`, as bytes.
#[derive(Default)]
struct Answer {
    username: Option<Vec<u8>>,
    realm: Option<Vec<u8>>,
    nonce: Option<Vec<u8>>,
    cnonce: Option<Vec<u8>>,
    nonce_count: Option<Vec<u8>>,
    digest_uri: Option<Vec<u8>>,
    response: Option<Vec<u8>>,
    qop: Option<Vec<u8>>,
    charset: Option<Vec<u8>>,
    authzid: Option<Vec<u8>>,
}

impl Answer {
    fn parse(token: &[u8]) -> Result<Answer> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(failed(format!("a token of {} bytes; at most {TOKEN_BYTES_MAX}", token.len())));
        }
        let mut answer = Answer::default();
        let mut rest = Directives(token);
        while let Some((key, value)) = rest.next()? {
            let place = match key.to_ascii_lowercase().as_slice() {
                b"username" => &mut answer.username,
                b"realm" => &mut answer.realm,
                b"nonce" => &mut answer.nonce,
                b"cnonce" => &mut answer.cnonce,
                b"nc" => &mut answer.nonce_count,
                b"digest-uri" => &mut answer.digest_uri,
                b"response" => &mut answer.response,
                b"qop" => &mut answer.qop,
                b"charset" => &mut answer.charset,
                b"authzid" => &mut answer.authzid,
                // maxbuf and cipher are about layers; what is not known is to be passed over.
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(failed(format!("{} is there twice", String::from_utf8_lossy(key))));
            }
        }
        Ok(answer)
    }

    /// The user's name and the token that shows the client that we know the password too.
    fn check(&self, nonce: &str, users: &[(String, String)]) -> Result<(String, Vec<u8>)> {
        fn need<'a>(value: &'a Option<Vec<u8>>, name: &str) -> Result<&'a [u8]> {
            value.as_deref().ok_or_else(|| failed(format!("{name} is missing")))
        }
        let username = need(&self.username, "username")?;
        let cnonce = need(&self.cnonce, "cnonce")?;
        let nonce_count = need(&self.nonce_count, "nc")?;
        let digest_uri = need(&self.digest_uri, "digest-uri")?;
        let response = need(&self.response, "response")?;
        if need(&self.nonce, "nonce")? != nonce.as_bytes() {
            return Err(failed("the nonce is not the challenge's"));
        }
        if need(&self.realm, "realm")? != REALM.as_bytes() {
            return Err(failed(format!("the realm is not {REALM}")));
        }
        if nonce_count != b"00000001" {
            return Err(failed("nc is not 00000001"));
        }
        if !digest_uri.eq_ignore_ascii_case(DIGEST_URI.as_bytes()) {
            return Err(failed(format!("digest-uri is not {DIGEST_URI}")));
        }
        if self.qop.as_deref().is_some_and(|qop| !qop.eq_ignore_ascii_case(b"auth")) {
            return Err(failed("qop is not auth"));
        }
        let name = match self.charset.as_deref() {
            Some(charset) if charset.eq_ignore_ascii_case(b"utf-8") => String::from_utf8(username.to_vec()).map_err(|_| failed("username is not UTF-8"))?,
            Some(_) => return Err(failed("charset is not utf-8")),
            // Without one it is Latin-1; kazoo's library sends UTF-8 all the same.
            None => match std::str::from_utf8(username) {
                Ok(name) if users.iter().any(|(user, _)| user == name) => name.to_owned(),
                _ => username.iter().map(|&byte| char::from(byte)).collect(),
            },
        };
        let known = users.iter().find(|(user, _)| *user == name);
        let password = known.map_or("", |(_, password)| password.as_str());

        // RFC 2831 hashes in Latin-1 what fits it; some clients hash the bytes they sent. Both show the password.
        let hash_name = |latin: bool| if latin { latin1(&name) } else { Some(name.clone().into_bytes()) };
        let hash_password = |latin: bool| if latin { latin1(password) } else { Some(password.as_bytes().to_vec()) };
        let mut shown = None;
        for (name_latin, password_latin) in [(true, true), (false, false), (true, false), (false, true)] {
            let (Some(name), Some(password)) = (hash_name(name_latin), hash_password(password_latin)) else { continue };
            let secret = Md5::new().chain_update(&name).chain_update(b":").chain_update(REALM).chain_update(b":").chain_update(&password).finalize();
            let mut a1 = Md5::new().chain_update(secret).chain_update(b":").chain_update(nonce).chain_update(b":").chain_update(cnonce);
            if let Some(authzid) = &self.authzid {
                a1 = a1.chain_update(b":").chain_update(authzid);
            }
            let a1 = hex(&a1.finalize());
            let digest = |method: &[u8]| {
                let a2 = hex(&Md5::new().chain_update(method).chain_update(b":").chain_update(digest_uri).finalize());
                let mut all = Md5::new();
                for part in [a1.as_bytes(), b":", nonce.as_bytes(), b":", nonce_count, b":", cnonce, b":auth:", a2.as_bytes()] {
                    all.update(part);
                }
                hex(&all.finalize())
            };
            if same(digest(b"AUTHENTICATE").as_bytes(), response) {
                shown = Some(digest(b""));
            }
        }
        match (known, shown) {
            (Some(_), Some(shown)) => Ok((name, format!("rspauth={shown}").into_bytes())),
            _ => Err(failed("no such user, or not that user's password")),
        }
    }
}

/// What is left of `key=value, key="quoted \" value"`.
struct Directives<'a>(&'a [u8]);

impl<'a> Directives<'a> {
    fn next(&mut self) -> Result<Option<(&'a [u8], Vec<u8>)>> {
        let skip = self.0.iter().take_while(|byte| matches!(byte, b',' | b' ' | b'\t' | b'\r' | b'\n')).count();
        let text = &self.0[skip..];
        if text.is_empty() {
            return Ok(None);
        }
        let Some(equals) = text.iter().position(|&byte| byte == b'=') else { return Err(failed("a directive without =")) };
        let key = text[..equals].trim_ascii_end();
        let mut rest = text[equals + 1..].trim_ascii_start();
        let mut value = Vec::new();
        if let [b'"', inner @ ..] = rest {
            rest = inner;
            loop {
                match rest {
                    [b'"', after @ ..] => {
                        rest = after;
                        break;
                    }
                    [b'\\', byte, after @ ..] | [byte, after @ ..] => {
                        value.push(*byte);
                        rest = after;
                    }
                    [] => return Err(failed("a quoted value without its end")),
                }
            }
            rest = rest.trim_ascii_start();
            if !matches!(rest, [] | [b',', ..]) {
                return Err(failed("something follows a quoted value"));
            }
        } else {
            let end = rest.iter().position(|&byte| byte == b',').unwrap_or(rest.len());
            value.extend_from_slice(rest[..end].trim_ascii_end());
            rest = &rest[end..];
        }
        self.0 = rest;
        Ok(Some((key, value)))
    }
}

/// The Latin-1 form, if every character has one.
fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])).collect()
}

/// Equality that takes as long for any two of one length.
fn same(ours: &[u8], theirs: &[u8]) -> bool {
    ours.len() == theirs.len() && ours.iter().zip(theirs).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn users() -> Vec<(String, String)> {
        [("super", "super_secret"), ("jaasuser", "jaas_password"), ("jörg", "größe"), ("кот", "пароль")].map(|(a, b)| (a.into(), b.into())).to_vec()
    }

    /// A server that has sent `nonce` already.
    fn challenged(nonce: &str) -> Exchange {
        Exchange { nonce: nonce.into(), state: State::Challenged }
    }

    /// The response of a client, computed here from the RFC's formulas in their plainest form.
    fn client(nonce: &str, user: &[u8], password: &[u8], more: &str) -> Vec<u8> {
        let md5 = |parts: &[&[u8]]| Md5::digest(parts.concat());
        let secret = md5(&[user, b":zk-sasl-md5:", password]);
        let a1 = hex(&md5(&[&secret, b":", nonce.as_bytes(), b":cn"]));
        let a2 = hex(&md5(&[b"AUTHENTICATE:zookeeper/zk-sasl-md5"]));
        let response = hex(&md5(&[a1.as_bytes(), b":", nonce.as_bytes(), b":00000001:cn:auth:", a2.as_bytes()]));
        let mut token = b"username=\"".to_vec();
        token.extend_from_slice(user);
        token.extend(format!("\",realm=\"zk-sasl-md5\",nonce=\"{nonce}\",nc=00000001,cnonce=\"cn\",digest-uri=\"zookeeper/zk-sasl-md5\",maxbuf=65536,response={response}{more}").bytes());
        token
    }

    #[test]
    fn any_first_token_gives_the_challenge_of_zookeeper() {
        for first in [&b""[..], b"x"] {
            let step = Exchange::new([7; NONCE_BYTES]).step(&users(), first).unwrap();
            let nonce = STANDARD.encode([7; NONCE_BYTES]);
            assert_eq!(step.token, format!("realm=\"zk-sasl-md5\",nonce=\"{nonce}\",charset=utf-8,algorithm=md5-sess").into_bytes());
            assert_eq!((step.user, nonce.len()), (None, 40));
        }
    }

    /// Recorded between kazoo's SASL library and a real ZooKeeper.
    #[test]
    fn a_recorded_exchange_ends_as_it_did() {
        let response = br#"qop=auth,realm="zk-sasl-md5",username="jaasuser",nonce="/dfDBfsKffNeCPMgVOT7WNd3brIrW9ggp3KNnI3E",cnonce="14414759678381572",nc=00000001,digest-uri="zookeeper/zk-sasl-md5",response=5ca637469762367e096db093cf422e88"#;
        let step = challenged("/dfDBfsKffNeCPMgVOT7WNd3brIrW9ggp3KNnI3E").step(&users(), response).unwrap();
        assert_eq!(step, Step { token: b"rspauth=6da9983bcd7134d58f9b7f6c72ee2c23".to_vec(), user: Some("jaasuser".into()) });
        let response = br#"qop=auth,realm="zk-sasl-md5",username="jaasuser",nonce="BjN1",cnonce="14414759678381572",nc=00000001,digest-uri="zookeeper/zk-sasl-md5",response=5ca637469762367e096db093cf422e88"#;
        assert_eq!(challenged("BjN1").step(&users(), response).unwrap_err().kind(), ErrorKind::AuthFailed);
    }

    /// RFC 2831, section 4, gives the values of one exchange; its realm and service are not ours, its formulas are.
    #[test]
    fn the_formulas_are_the_rfcs() {
        let secret = Md5::digest(b"chris:elwood.innosoft.com:secret");
        let a1 = hex(&Md5::new().chain_update(secret).chain_update(b":OA6MG9tEQGm2hh:OA6MHXh6VqTrRk").finalize());
        let response = |a2: &[u8]| hex(&Md5::digest(format!("{a1}:OA6MG9tEQGm2hh:00000001:OA6MHXh6VqTrRk:auth:{}", hex(&Md5::digest(a2)))));
        assert_eq!(response(b"AUTHENTICATE:imap/elwood.innosoft.com"), "d388dad90d4bbd760a152321f2143af7");
        assert_eq!(response(b":imap/elwood.innosoft.com"), "ea40f60335c427b5527b84dbabcdfffd");
    }

    #[test]
    fn names_and_passwords_outside_ascii_come_in_either_encoding() {
        let who = |token: Vec<u8>| challenged("n").step(&users(), &token).map(|step| step.user.unwrap()).map_err(|e| e.kind());
        let latin = |text| latin1(text).unwrap();
        assert_eq!(who(client("n", &latin("jörg"), &latin("größe"), "")), Ok("jörg".into()));
        assert_eq!(who(client("n", "jörg".as_bytes(), "größe".as_bytes(), ",charset=utf-8")), Ok("jörg".into()));
        assert_eq!(who(client("n", "кот".as_bytes(), "пароль".as_bytes(), ",charset=utf-8")), Ok("кот".into()));
        assert_eq!(who(client("n", "кот".as_bytes(), "пароль".as_bytes(), "")), Ok("кот".into()));
        assert_eq!(who(client("n", "кот".as_bytes(), "größe".as_bytes(), "")), Err(ErrorKind::AuthFailed));
    }

    #[test]
    fn what_is_wrong_is_refused_and_ends_the_exchange() {
        let right = String::from_utf8(client("n", b"super", b"super_secret", "")).unwrap();
        assert!(challenged("n").step(&users(), right.as_bytes()).is_ok());
        for (from, to) in [
            ("super\"", "jaasuser\""),
            ("super\"", "nobody\""),
            ("zookeeper/zk-sasl-md5", "zookeeper/other"),
            ("zookeeper/", "imap/"),
            ("realm=\"zk-sasl-md5\",", ""),
            ("realm=\"zk-", "realm=\""),
            ("00000001", "00000002"),
            ("nonce=\"n\"", "nonce=\"m\""),
            ("nc=", "qop=auth-int,nc="),
            ("nc=", "nc=00000001,nc="),
            ("nc=", "authzid=\"x\",nc="),
            ("nc=", "charset=x,nc="),
            ("response=", "response=0"),
            ("response=", "response=\""),
        ] {
            let wrong = right.replacen(from, to, 1);
            let mut exchange = challenged("n");
            assert_eq!(exchange.step(&users(), wrong.as_bytes()).unwrap_err().kind(), ErrorKind::AuthFailed, "{wrong}");
            assert!(exchange.step(&users(), right.as_bytes()).is_err(), "a second try after {wrong}");
        }
        let nobody = client("n", b"nobody", b"", "");
        assert!(challenged("n").step(&users(), &nobody).is_err(), "a user nobody knows, with the password stood in for theirs");
        assert!(challenged("n").step(&users(), &[b','; TOKEN_BYTES_MAX + 1]).is_err());
        assert!(challenged("n").step(&users(), right.replace(',', " , ").as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn no_token_is_more_than_refused(token in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(challenged("n").step(&users(), &token).is_err());
        }

        #[test]
        fn nothing_but_the_response_itself_is_right(at in 0usize..190, byte in any::<u8>()) {
            let mut token = client("n", b"super", b"super_secret", "");
            let at = at % token.len();
            let was = token[at];
            token[at] = byte;
            // A letter's case in a key or in digest-uri changes nothing, nor does a blank for a comma.
            if let Ok(step) = challenged("n").step(&users(), &token) {
                prop_assert_eq!(step.user.as_deref(), Some("super"));
                prop_assert!(at < token.len() - 32 || was == byte);
            }
        }
    }
}
