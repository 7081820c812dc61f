//! The usual event read without a tree: data, or attributes around data, whose members are strings and whole numbers.
//!
//! This reads a part of JSON, strings without escapes and integers among it, and nothing else: whatever is unusual or
//! wrong makes it give up, and then the tree in [`crate::json`] decides. What it reads means the same in both.

use std::borrow::Cow;

use crate::{
    event::EventType,
    json::{Members, Node},
    record::Reject,
};

/// The members of an object that is flat.
#[derive(Default)]
pub(crate) struct Flat<'a> {
    members: [Option<Node<'a>>; NAMES.len()],
}

/// An event in structured mode.
#[derive(Default)]
pub(crate) struct Whole<'a> {
    /// What is beside the data.
    pub(crate) attributes: Flat<'a>,
    data: Option<Flat<'a>>,
}

/// The members that are kept: all that the types of [`is_flat`] have, and the attributes.
const NAMES: [&str; 19] = [
    "team",
    "feature",
    "account",
    "operation",
    "count",
    "duration_us",
    "outcome",
    "signal",
    "importance",
    "channel",
    "text",
    "requester",
    "ref",
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "datacontenttype",
];

fn position(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name)
}

/// Whether the data of this type of event is flat: no other member than those in [`NAMES`] is read.
fn is_flat(event_type: EventType) -> bool {
    match event_type {
        EventType::RequestStated | EventType::RequestWithdrawn | EventType::UsageObserved | EventType::NeedSignaled => {
            true
        }
        EventType::TeamDefined | EventType::FeatureDefined | EventType::AccountDefined => false,
    }
}

impl<'a> Flat<'a> {
    /// The data of an event of this type, if this way can read it.
    pub(crate) fn data(event_type: EventType, text: &'a str) -> Option<Self> {
        let mut data = Self::default();
        let mut reader = Reader { text, at: 0 };
        if !is_flat(event_type) {
            return None;
        }
        reader.object(|reader, name| data.keep(name, reader.value()?))?;
        reader.end()?;
        Some(data)
    }

    /// Keeps a member that may be read. One that comes twice is a fault, and faults are the tree's.
    fn keep(&mut self, name: &str, value: Node<'a>) -> Option<()> {
        match position(name) {
            Some(at) if self.members[at].is_some() => None,
            Some(at) => {
                self.members[at] = Some(value);
                Some(())
            }
            None => Some(()),
        }
    }
}

impl<'a> Members<'a> for Flat<'a> {
    fn find(&self, name: &'static str) -> Result<Option<&Node<'a>>, Reject> {
        Ok(position(name).and_then(|at| self.members[at].as_ref()))
    }
}

impl<'a> Whole<'a> {
    /// The event, if this way can read it.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let mut whole = Self::default();
        let mut reader = Reader { text, at: 0 };
        reader.object(|reader, name| {
            if name != "data" {
                return whole.attributes.keep(name, reader.value()?);
            }
            if whole.data.is_some() {
                return None;
            }
            let data = whole.data.insert(Flat::default());
            reader.object(|reader, name| data.keep(name, reader.value()?))
        })?;
        reader.end()?;
        Some(whole)
    }

    /// The data, if it is of a type that this way can read.
    pub(crate) fn data(&self, event_type: EventType) -> Option<&Flat<'a>> {
        self.data.as_ref().filter(|_| is_flat(event_type))
    }
}

/// Reads JSON from its beginning on.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads an object; `member` reads each value.
    fn object(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.token(b'{')?;
        if self.peek()? == b'}' {
            return self.token(b'}');
        }
        loop {
            let name = self.string()?;
            self.token(b':')?;
            member(self, name)?;
            match self.peek()? {
                b',' => self.at += 1,
                _ => return self.token(b'}'),
            }
        }
    }

    fn value(&mut self) -> Option<Node<'a>> {
        match self.peek()? {
            b'"' => self.string().map(|text| Node::String(Cow::Borrowed(text))),
            _ => self.integer().map(Node::Integer),
        }
    }

    /// A string without escapes.
    fn string(&mut self) -> Option<&'a str> {
        self.token(b'"')?;
        let rest = &self.text.as_bytes()[self.at..];
        let length = plain(rest);
        if rest.get(length) != Some(&b'"') {
            return None;
        }
        let text = self.text.get(self.at..self.at + length)?;
        self.at += length + 1;
        Some(text)
    }

    /// A number of digits alone, few enough for 64 bits, the first not 0 unless it is all.
    fn integer(&mut self) -> Option<u64> {
        let rest = &self.text.as_bytes()[self.at..];
        let mut value = 0;
        let mut length = 0;
        while let Some(digit) = rest.get(length).filter(|byte| byte.is_ascii_digit()) {
            if length == 18 {
                return None;
            }
            value = value * 10 + u64::from(digit - b'0');
            length += 1;
        }
        if length == 0 || (length > 1 && rest[0] == b'0') {
            return None;
        }
        self.at += length;
        Some(value)
    }

    /// This token, and the blanks before it.
    fn token(&mut self, token: u8) -> Option<()> {
        (self.peek()? == token).then(|| self.at += 1)
    }

    /// The next byte that is not blank.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at)? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    /// Nothing but blanks to the end.
    fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
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
