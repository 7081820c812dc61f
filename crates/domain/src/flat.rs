//! The usual event read without a tree: data, or attributes around data, whose members are strings and whole numbers.
//!
//! This reads a part of JSON, objects of strings and integers, and nothing else: whatever is unusual or
//! wrong makes it give up, and then the tree in [`crate::json`] decides. What it reads means the same in both: what the
//! members may be is decided in [`crate::data`] and [`crate::envelope`], whichever way they were read.

use std::{borrow::Cow, ops::Range};

use crate::{
    json::{Members, Node},
    record::{Reason, Reject},
};

/// The members of an object that is flat.
#[derive(Default)]
pub(crate) struct Flat<'a> {
    members: [Option<Node<'a>>; MEMBERS],
}

/// An event in structured mode.
#[derive(Default)]
pub(crate) struct Whole<'a> {
    /// What is beside the data.
    pub(crate) attributes: Flat<'a>,
    /// The data, empty if there is none.
    pub(crate) data: Flat<'a>,
}

/// How many members may be kept: all that the frequent types of events have, and the attributes.
const MEMBERS: usize = 19;

/// Where the member of this name is kept.
#[inline]
fn place(name: &[u8]) -> Option<usize> {
    Some(match name {
        b"team" => 0,
        b"feature" => 1,
        b"account" => 2,
        b"operation" => 3,
        b"count" => 4,
        b"duration_us" => 5,
        b"outcome" => 6,
        b"signal" => 7,
        b"importance" => 8,
        b"channel" => 9,
        b"text" => 10,
        b"requester" => 11,
        b"ref" => 12,
        b"specversion" => 13,
        b"id" => 14,
        b"source" => 15,
        b"type" => 16,
        b"time" => 17,
        b"datacontenttype" => 18,
        _ => return None,
    })
}

impl<'a> Flat<'a> {
    /// Reads the object that is all of the text, if this way can.
    pub(crate) fn read(&mut self, text: &'a str) -> Option<()> {
        let mut reader = Reader { text, at: 0 };
        reader.object(|reader, name| self.keep(name, reader.value()?))?;
        reader.end()
    }

    /// Keeps a member that may be read. One that comes twice is a fault, and faults are the tree's.
    #[inline]
    fn keep(&mut self, name: &[u8], value: Node<'a>) -> Option<()> {
        if let Some(at) = place(name) {
            let member = &mut self.members[at];
            if member.is_some() {
                return None;
            }
            *member = Some(value);
        }
        Some(())
    }
}

impl<'a> Members<'a> for Flat<'a> {
    #[inline]
    fn find(&self, name: &'static str) -> Result<Option<&Node<'a>>, Reject> {
        match place(name.as_bytes()) {
            Some(at) => Ok(self.members[at].as_ref()),
            // It may have been there: the tree knows.
            None => Err(Reject::at(name, Reason::MissingField, "the member was not kept")),
        }
    }
}

impl<'a> Whole<'a> {
    /// Reads the object that is all of the text, if this way can.
    pub(crate) fn read(&mut self, text: &'a str) -> Option<()> {
        let Self { attributes, data } = self;
        let mut data_seen = false;
        let mut reader = Reader { text, at: 0 };
        reader.object(|reader, name| {
            if name != b"data" {
                return attributes.keep(name, reader.value()?);
            }
            if std::mem::replace(&mut data_seen, true) {
                return None;
            }
            reader.object(|reader, name| data.keep(name, reader.value()?))
        })?;
        reader.end()
    }
}

/// Reads JSON from its beginning on.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads an object; `member` is given each name and reads the value.
    #[inline]
    fn object(&mut self, mut member: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        self.token(b'{')?;
        if self.peek()? == b'}' {
            return self.token(b'}');
        }
        loop {
            let name = self.string()?;
            self.token(b':')?;
            member(self, &self.text.as_bytes()[name])?;
            if self.peek()? != b',' {
                return self.token(b'}');
            }
            self.at += 1;
        }
    }

    #[inline]
    fn value(&mut self) -> Option<Node<'a>> {
        if self.peek()? != b'"' {
            return self.integer().map(Node::Integer);
        }
        let start = self.at;
        match self.string() {
            Some(text) => Some(Node::String(Cow::Borrowed(self.text.get(text)?))),
            None => self.escaped(start).map(Node::String),
        }
    }

    /// The string that begins here; the parser knows escapes.
    #[cold]
    fn escaped(&mut self, start: usize) -> Option<Cow<'a, str>> {
        let bytes = self.text.as_bytes();
        self.at = start + 1;
        loop {
            self.at += plain(bytes.get(self.at..)?);
            match bytes.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => return None,
            }
        }
        self.at += 1;
        serde_json::from_str(self.text.get(start..self.at)?).ok().map(Cow::Owned)
    }

    /// Where a string without escapes stands.
    #[inline]
    fn string(&mut self) -> Option<Range<usize>> {
        self.token(b'"')?;
        let rest = &self.text.as_bytes()[self.at..];
        let length = plain(rest);
        if *rest.get(length)? != b'"' {
            return None;
        }
        let start = self.at;
        self.at = start + length + 1;
        Some(start..start + length)
    }

    /// Digits alone, few enough for 64 bits, the first not 0 unless it is all.
    #[inline]
    fn integer(&mut self) -> Option<u64> {
        let rest = &self.text.as_bytes()[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=18).contains(&digits) || (digits > 1 && rest[0] == b'0') {
            return None;
        }
        self.at += digits;
        Some(rest[..digits].iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')))
    }

    /// This token, and the blanks before it.
    #[inline]
    fn token(&mut self, token: u8) -> Option<()> {
        (self.peek()? == token).then(|| self.at += 1)
    }

    /// The next byte that is not blank.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        let mut byte = *self.text.as_bytes().get(self.at)?;
        while byte <= b' ' {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return None;
            }
            self.at += 1;
            byte = *self.text.as_bytes().get(self.at)?;
        }
        Some(byte)
    }

    /// Nothing but blanks to the end.
    fn end(&mut self) -> Option<()> {
        self.text.as_bytes()[self.at..].iter().all(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).then_some(())
    }
}

/// The length of what a string may hold as it is: up to a quote, a backslash, a control character or the end.
fn plain(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let special = equals(word, b'"') | equals(word, b'\\') | below(word, b' ');
        if special != 0 {
            return at * 8 + (special.trailing_zeros() / 8) as usize;
        }
    }
    let tail = words.len() * 8;
    let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..b' ');
    bytes[tail..].iter().position(ends).map_or(bytes.len(), |at| tail + at)
}

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGHS: u64 = ONES << 7;

/// The high bit of each byte that equals this one. Exact up to the first such byte: a borrow may follow it.
fn equals(word: u64, byte: u8) -> u64 {
    below(word ^ (ONES * u64::from(byte)), 1)
}

/// The high bit of each byte that is below `bound`, which is at most 128. Exact up to the first such byte.
fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(ONES * u64::from(bound)) & !word & HIGHS
}
