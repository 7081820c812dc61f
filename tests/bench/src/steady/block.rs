//! LZ4 whose text can be changed in some places without compressing it again.
//!
//! LZ4 writes text either as it is or as a copy of earlier text. A place that is written as it is, and that no later copy
//! takes anything from, can be overwritten in the compressed block. Noise that comes up nowhere else in the text makes LZ4
//! write it so; the few times it does not, other noise does.

use std::ops::Range;

use anyhow::{bail, ensure};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

/// So many edges can be told from each other and from ASCII.
pub(super) const PLACES_MAX: usize = 128;
const TRIES_MAX: usize = 100;

/// Compresses text and says where its places are in the block. What they hold is lost: they must be overwritten.
///
/// `places` are in order and apart; the rest of the text is ASCII but for some bytes.
///
/// # Errors
/// When the places cannot be kept free.
pub(super) fn compress(
    mut text: Vec<u8>,
    places: &[Range<usize>],
    rng: &mut ChaCha8Rng,
) -> anyhow::Result<(Vec<u8>, Vec<Range<usize>>)> {
    ensure!(places.len() <= PLACES_MAX, "{} places in a block", places.len());
    for first in 0..TRIES_MAX {
        for (number, place) in places.iter().enumerate() {
            let noise = &mut text[place.clone()];
            rng.fill_bytes(noise);
            // A copy becomes longer by what happens to be the same beside it: so the edges are not ASCII, which the text is, and
            // differ from those of other places.
            let edge = 0x80 | (first + number) as u8;
            if let [left, .., right] = noise {
                (*left, *right) = (edge, edge);
            }
        }
        let block = lz4_flex::block::compress(&text);
        let Some(found) = find(&block, places.iter().map(|place| &text[place.clone()])) else { continue };
        if can_change(&text, places, &block, &found) {
            return Ok((block, found));
        }
    }
    bail!("LZ4 does not keep {} places of {} bytes as they are", places.len(), text.len())
}

/// Where the noises are, one after the other.
fn find<'a>(block: &[u8], noises: impl Iterator<Item = &'a [u8]>) -> Option<Vec<Range<usize>>> {
    let mut from = 0;
    let next = |noise: &[u8]| {
        let at = from + block[from..].windows(noise.len()).position(|window| window == noise)?;
        from = at + noise.len();
        Some(at..from)
    };
    noises.map(next).collect()
}

/// Whether the block becomes that of the changed text when all its places are changed.
fn can_change(text: &[u8], places: &[Range<usize>], block: &[u8], found: &[Range<usize>]) -> bool {
    let (mut text, mut block) = (text.to_vec(), block.to_vec());
    places.iter().for_each(|place| text[place.clone()].iter_mut().for_each(|byte| *byte = !*byte));
    found.iter().for_each(|place| block[place.clone()].iter_mut().for_each(|byte| *byte = !*byte));
    // Where a place was no text, the changed block may not be LZ4 any more.
    lz4_flex::block::decompress(&block, text.len()).is_ok_and(|changed| changed == text)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn what_is_written_into_the_places_comes_out_and_nothing_else_changes() {
        let part = b"an account, a feature, an id: 0192f3a4-77aa-7bbb-8ccc-............, and what it did there; ";
        let text = part.repeat(PLACES_MAX);
        let at = part.iter().position(|byte| *byte == b'.').unwrap();
        let places: Vec<_> = (0..PLACES_MAX).map(|number| number * part.len() + at).map(|at| at..at + 12).collect();
        let (mut block, found) = compress(text.clone(), &places, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        assert!(block.len() < text.len() / 3, "{} of {}", block.len(), text.len());

        let mut wanted = text;
        for (number, (place, found)) in places.into_iter().zip(found).enumerate() {
            let id = format!("{number:012x}");
            wanted[place].copy_from_slice(id.as_bytes());
            block[found].copy_from_slice(id.as_bytes());
        }
        assert_eq!(lz4_flex::block::decompress(&block, wanted.len()).unwrap(), wanted);
    }

    #[test]
    fn a_place_too_small_to_be_told_from_others_is_refused() {
        let text = vec![b'a'; 400];
        let places: Vec<_> = (0..100).map(|number| number * 4..number * 4 + 1).collect();
        assert!(compress(text, &places, &mut ChaCha8Rng::seed_from_u64(1)).is_err());
    }
}
