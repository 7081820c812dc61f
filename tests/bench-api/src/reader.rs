//! Reads a stream of server-sent events, frugally: one small state each, and what it reads is forgotten at once.

/// So much of a line is kept: an event's id fits.
const LINE_KEPT_MAX: usize = 160;

/// A body in chunks, of which an event stream's events are told by their ids.
#[derive(Debug)]
pub(crate) struct Reader {
    place: Place,
    line: [u8; LINE_KEPT_MAX],
    line_length: usize,
    id: Option<u64>,
    has_data: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In a chunk's length, as far as it is read.
    Length(usize),
    /// In a chunk that has so much left.
    Chunk(usize),
    /// After a chunk, before the end of its line.
    AfterChunk,
    /// After the last chunk.
    End,
}

impl Default for Reader {
    fn default() -> Self {
        Self { place: Place::Length(0), line: [0; LINE_KEPT_MAX], line_length: 0, id: None, has_data: false }
    }
}

impl Reader {
    /// Reads on; `event` is told the id of each event that is complete, if `number` makes a number of it.
    pub(crate) fn read(
        &mut self,
        mut bytes: &[u8],
        number: fn(&str) -> Option<u64>,
        mut event: impl FnMut(Option<u64>),
    ) {
        while let Some(first) = bytes.first() {
            match self.place {
                Place::Length(length) => {
                    self.place = match first {
                        b'\n' if length == 0 => Place::End,
                        b'\n' => Place::Chunk(length),
                        digit => match char::from(*digit).to_digit(16) {
                            Some(digit) => Place::Length(length * 16 + digit as usize),
                            None => Place::Length(length),
                        },
                    };
                    bytes = &bytes[1..];
                }
                Place::Chunk(left) => {
                    let (chunk, rest) = bytes.split_at(left.min(bytes.len()));
                    self.lines(chunk, number, &mut event);
                    self.place = if left == chunk.len() { Place::AfterChunk } else { Place::Chunk(left - chunk.len()) };
                    bytes = rest;
                }
                Place::AfterChunk => {
                    if *first == b'\n' {
                        self.place = Place::Length(0);
                    }
                    bytes = &bytes[1..];
                }
                Place::End => return,
            }
        }
    }

    /// Whether the body has ended as it should.
    pub(crate) fn ended(&self) -> bool {
        self.place == Place::End
    }

    fn lines(&mut self, mut text: &[u8], number: fn(&str) -> Option<u64>, event: &mut impl FnMut(Option<u64>)) {
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            self.keep(&text[..end]);
            self.line_ends(number, event);
            text = &text[end + 1..];
        }
        self.keep(text);
    }

    fn keep(&mut self, part: &[u8]) {
        let kept = part.len().min(LINE_KEPT_MAX - self.line_length);
        self.line[self.line_length..self.line_length + kept].copy_from_slice(&part[..kept]);
        self.line_length += kept;
    }

    fn line_ends(&mut self, number: fn(&str) -> Option<u64>, event: &mut impl FnMut(Option<u64>)) {
        let line = &self.line[..self.line_length];
        if line.is_empty() {
            if self.has_data {
                event(self.id);
            }
            (self.id, self.has_data) = (None, false);
        } else if let Some(id) = line.strip_prefix(b"id:") {
            self.id = std::str::from_utf8(id).ok().and_then(|id| number(id.trim()));
        } else if line.starts_with(b"data:") {
            self.has_data = true;
        }
        self.line_length = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parts: &[&[u8]]) -> (Vec<Option<u64>>, bool) {
        let (mut reader, mut events) = (Reader::default(), Vec::new());
        for part in parts {
            reader.read(part, |id| id.parse().ok(), |event| events.push(event));
        }
        (events, reader.ended())
    }

    #[test]
    fn events_are_told_however_they_are_cut() {
        let whole = b"b\r\nid: 7\ndata:\r\n8\r\n long\n\n:\r\n12\r\n a comment\n\nid:8\nd\r\nd\r\nata: x\nevent:\r\n4\r\n e\n\n\r\n0\r\n\r\n";
        let expected = (vec![Some(7), Some(8)], true);
        assert_eq!(read(&[whole]), expected);
        for cut in 0..whole.len() {
            assert_eq!(read(&[&whole[..cut], &whole[cut..]]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_body_that_breaks_off_has_not_ended() {
        assert_eq!(read(&[b"10\r\nid: 7\ndata: x\n\n"]), (vec![Some(7)], false));
    }
}
