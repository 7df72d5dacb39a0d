//! A JAAS file: which users of SASL DIGEST-MD5 does its `Server` section name?
//!
//! ```text
//! Server {
//!     org.apache.zookeeper.server.auth.DigestLoginModule required
//!     user_super="secret"
//!     user_bob="bobs";
//! };
//! ```
//!
//! Other sections are read over. A `Server` section with another module is refused: what it would do
//! (Kerberos, say) cannot be done here, and to start without it would let nobody in.

use super::Refused;

/// The section that ZooKeeper's server looks for.
pub const SECTION: &str = "Server";
const MODULE: &str = "org.apache.zookeeper.server.auth.DigestLoginModule";
const USER: &str = "user_";

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Mark(char),
}

/// Names and passwords, in the order of the file; of a name that is there twice, the last password.
///
/// # Errors
/// No such section, a module that is not ZooKeeper's for DIGEST-MD5, or text that is no JAAS file.
pub fn users(file: &str, bytes: &[u8], section: &str) -> Result<Vec<(String, String)>, Refused> {
    let text = String::from_utf8_lossy(bytes);
    let mut tokens = Tokens { file, text: text.chars().peekable(), line: 1, begun: 1 };
    let mut found = None;
    while let Some(token) = tokens.next()? {
        let (Token::Word(name) | Token::Quoted(name)) = token else { return Err(tokens.refuse(&token, "the name of a section")) };
        tokens.expect('{', "{ after the name of a section")?;
        let wanted = name == section;
        let mut users: Vec<(String, String)> = Vec::new();
        loop {
            let module = match tokens.need("a login module, or } at the end of a section")? {
                Token::Mark('}') => break,
                Token::Word(module) | Token::Quoted(module) => module,
                token => return Err(tokens.refuse(&token, "a login module, or } at the end of a section")),
            };
            if wanted && module != MODULE {
                return Err(tokens.refuse(&Token::Word(module), &format!("{MODULE}: SASL is DIGEST-MD5 here, nothing else")));
            }
            match tokens.need("a flag")? {
                Token::Word(flag) if ["required", "requisite", "sufficient", "optional"].contains(&flag.to_ascii_lowercase().as_str()) => {}
                token => return Err(tokens.refuse(&token, "required, requisite, sufficient or optional")),
            }
            loop {
                let key = match tokens.need("an option, or ; at the end of a module's")? {
                    Token::Mark(';') => break,
                    Token::Word(key) | Token::Quoted(key) => key,
                    token => return Err(tokens.refuse(&token, "an option, or ; at the end of a module's")),
                };
                tokens.expect('=', "= after the name of an option")?;
                let value = match tokens.need("the value of an option")? {
                    Token::Word(value) | Token::Quoted(value) => value,
                    token => return Err(tokens.refuse(&token, "the value of an option")),
                };
                let Some(user) = key.strip_prefix(USER).filter(|_| wanted) else { continue };
                if value.contains("${") {
                    return Err(Refused {
                        value: "${...}".into(),
                        key,
                        ..tokens.refuse(&Token::Mark('$'), "the password itself: Java's properties are not known here")
                    });
                }
                users.retain(|(name, _)| name != user);
                users.push((user.to_owned(), value));
            }
        }
        tokens.expect(';', "; after the } of a section")?;
        if wanted {
            found = Some(users);
        }
    }
    found.ok_or_else(|| Refused {
        file: file.into(),
        line: None,
        key: section.into(),
        value: String::new(),
        allowed: format!("a section {section} {{ {MODULE} required user_NAME=\"password\"; }};"),
    })
}

struct Tokens<'a> {
    file: &'a str,
    text: std::iter::Peekable<std::str::Chars<'a>>,
    line: u32,
    /// The line of the token read last.
    begun: u32,
}

impl Tokens<'_> {
    fn step(&mut self) -> Option<char> {
        let c = self.text.next();
        if c == Some('\n') {
            self.line = self.line.saturating_add(1);
        }
        c
    }

    fn next(&mut self) -> Result<Option<Token>, Refused> {
        loop {
            self.begun = self.line;
            match self.text.peek().copied() {
                None => return Ok(None),
                Some(c) if c.is_whitespace() => {
                    self.step();
                }
                Some('/' | '#') if self.comment()? => {}
                Some(_) => break,
            }
        }
        match self.text.peek().copied() {
            None => Ok(None),
            Some(c @ ('{' | '}' | ';' | '=')) => {
                self.step();
                Ok(Some(Token::Mark(c)))
            }
            Some('"') => {
                self.step();
                self.quoted().map(Some)
            }
            Some(_) => {
                let mut word = String::new();
                while let Some(c) = self.text.next_if(|c| !c.is_whitespace() && !matches!(c, '{' | '}' | ';' | '=' | '"')) {
                    word.push(c);
                }
                Ok(Some(Token::Word(word)))
            }
        }
    }

    /// Passes over a comment, if there is one.
    fn comment(&mut self) -> Result<bool, Refused> {
        let mut ahead = self.text.clone();
        match (ahead.next(), ahead.next()) {
            (Some('#'), _) | (Some('/'), Some('/')) => {
                while self.text.peek().is_some_and(|&c| c != '\n') {
                    self.step();
                }
                Ok(true)
            }
            (Some('/'), Some('*')) => {
                self.step();
                self.step();
                let mut before = None;
                loop {
                    match self.step() {
                        None => return Err(self.refuse(&Token::Word("/*".into()), "*/ at the end of a comment")),
                        Some('/') if before == Some('*') => return Ok(true),
                        c => before = c,
                    }
                }
            }
            _ => Ok(false),
        }
    }

    /// The rest of a quoted text, with the escapes of Java's tokenizer.
    fn quoted(&mut self) -> Result<Token, Refused> {
        let mut value = String::new();
        loop {
            match self.step() {
                Some('"') => return Ok(Token::Quoted(value)),
                Some('\\') => match self.step() {
                    Some('n') => value.push('\n'),
                    Some('t') => value.push('\t'),
                    Some('r') => value.push('\r'),
                    Some('a') => value.push('\x07'),
                    Some('b') => value.push('\x08'),
                    Some('f') => value.push('\x0c'),
                    Some('v') => value.push('\x0b'),
                    Some(c @ '0'..='7') => {
                        let mut code = u32::from(c) - 48;
                        while let Some(digit) = self.text.next_if(|c| matches!(c, '0'..='7') && code < 32) {
                            code = code * 8 + u32::from(digit) - 48;
                        }
                        value.extend(char::from_u32(code));
                    }
                    Some(c) if c != '\n' => value.push(c),
                    _ => return Err(self.refuse(&Token::Mark('"'), "\" at the end of a quoted text, on the same line")),
                },
                Some(c) if c != '\n' => value.push(c),
                _ => return Err(self.refuse(&Token::Mark('"'), "\" at the end of a quoted text, on the same line")),
            }
        }
    }

    fn need(&mut self, allowed: &str) -> Result<Token, Refused> {
        match self.next()? {
            Some(token) => Ok(token),
            None => Err(self.refuse(&Token::Word("the end of the file".into()), allowed)),
        }
    }

    fn expect(&mut self, mark: char, allowed: &str) -> Result<(), Refused> {
        match self.need(allowed)? {
            Token::Mark(found) if found == mark => Ok(()),
            token => Err(self.refuse(&token, allowed)),
        }
    }

    /// Quoted text is not shown: it may be a password.
    fn refuse(&self, token: &Token, allowed: &str) -> Refused {
        let found = match token {
            Token::Word(word) => word.clone(),
            Token::Quoted(_) => "a quoted text".into(),
            Token::Mark(mark) => mark.to_string(),
        };
        Refused { file: self.file.into(), line: Some(self.begun), key: found, value: String::new(), allowed: allowed.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SAMPLE: &str = r#"
        // Clients' half.
        Client { com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true keyTab="/etc/k"; };
        /* The server's { half } */
        Server {
            org.apache.zookeeper.server.auth.DigestLoginModule required
            user_super="super_secret"
            user_bob="b\"o{b};\\ ßé" # a comment
            other=thing
            user_jaasuser=plain
            user_bob.smith="\101";
        };
    "#;

    fn read(text: &str) -> Result<Vec<(String, String)>, Refused> {
        users("jaas.conf", text.as_bytes(), SECTION)
    }

    #[test]
    fn the_users_of_the_servers_section() {
        let expected = [("super", "super_secret"), ("bob", "b\"o{b};\\ ßé"), ("jaasuser", "plain"), ("bob.smith", "A")];
        assert_eq!(read(SAMPLE).unwrap(), expected.map(|(a, b)| (a.to_string(), b.to_string())));
        assert_eq!(users("f", SAMPLE.as_bytes(), "Client").unwrap_err().line, Some(3));
        assert_eq!(read("Server { org.apache.zookeeper.server.auth.DigestLoginModule optional user_a=1 user_a=2; };").unwrap(), [("a".into(), "2".into())]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_without_passwords() {
        for (text, line, words) in [
            ("", None, "a section Server"),
            ("Client { };", None, "a section Server"),
            ("Server {\n x.KerberosModule required; };", Some(2), "DIGEST-MD5"),
            ("Server {\n org.apache.zookeeper.server.auth.DigestLoginModule user_a=\"secret\"; };", Some(2), "required"),
            ("Server {\n org.apache.zookeeper.server.auth.DigestLoginModule required\nuser_a \"secret\"; };", Some(3), "="),
            ("Server {\n org.apache.zookeeper.server.auth.DigestLoginModule required\nuser_a=\"secret\n\"; };", Some(3), "same line"),
            ("Server {\n org.apache.zookeeper.server.auth.DigestLoginModule required\nuser_a=\"${secret}\"; };", Some(3), "password itself"),
            ("Server {\n org.apache.zookeeper.server.auth.DigestLoginModule required; }", Some(2), ";"),
            ("Server {", Some(1), "login module"),
            ("/* Server", Some(1), "*/"),
            ("\"secret\" \"secret\"", Some(1), "{"),
        ] {
            let refused = read(text).unwrap_err();
            assert_eq!(refused.line, line, "{text}");
            assert!(refused.to_string().contains(words), "{refused}");
            assert!(!refused.to_string().contains("secret"), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = users("f", &bytes, SECTION);
        }

        #[test]
        fn no_change_to_a_good_file_is_too_much(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
            let mut bytes = SAMPLE.as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if cut { bytes.truncate(at) }
            let _ = users("f", &bytes, SECTION);
        }
    }
}
