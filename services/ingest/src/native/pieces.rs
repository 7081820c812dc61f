//! Bytes that are handed on in pieces of one size.

use super::push_varint;

/// A piece is handed on when it has so many bytes: small enough to be in the processor's cache still when it is sent, and for the
/// allocator to keep and use again; large enough that handing on costs nothing.
pub(super) const PIECE_BYTES: usize = 512 << 10;

/// Bytes in the making, handed on whenever there are [`PIECE_BYTES`] of them.
pub(crate) struct Pieces<'a> {
    hand_on: &'a mut dyn FnMut(Vec<u8>),
    piece: Vec<u8>,
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(hand_on: &'a mut dyn FnMut(Vec<u8>)) -> Self {
        Self { hand_on, piece: Vec::new() }
    }

    /// Appends bytes, as many as there are.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) {
        while self.piece.len() + bytes.len() >= PIECE_BYTES {
            let (now, later) = bytes.split_at(PIECE_BYTES - self.piece.len());
            self.piece.extend_from_slice(now);
            (self.hand_on)(std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES)));
            bytes = later;
        }
        self.piece.extend_from_slice(bytes);
    }

    /// Appends a number as a varint.
    pub(crate) fn write_varint(&mut self, number: u64) {
        push_varint(&mut self.piece, number);
    }

    /// Hands on what is left.
    pub(crate) fn end(self) {
        if !self.piece.is_empty() {
            (self.hand_on)(self.piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_one_size_and_together_are_what_was_written() {
        let bytes: Vec<u8> = (0..2 * PIECE_BYTES + 7).map(|number| number as u8).collect();
        for at_once in [1_000, PIECE_BYTES - 1, PIECE_BYTES, bytes.len()] {
            let mut pieces = Vec::new();
            let mut hand_on = |piece: Vec<u8>| pieces.push(piece);
            let mut out = Pieces::new(&mut hand_on);
            bytes.chunks(at_once).for_each(|bytes| out.write(bytes));
            out.end();
            assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [PIECE_BYTES, PIECE_BYTES, 7], "{at_once}");
            assert_eq!(pieces.concat(), bytes);
        }
    }
}
