//! Arrays of any length in questions.
//!
//! ClickHouse takes no form field of more than 128 KiB, by its server's settings and not by a question's. A team can have more names
//! of features than that, so a long array is bound in pieces that the question puts together.

use clickhouse::query::Query;

use crate::Store;

/// A piece has so many elements: some 70 KB, for an id has at most 64 bytes.
const PIECE_ELEMENTS_MAX: usize = 1_000;

/// What an array holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Array<'a> {
    /// Ids, or something a little longer.
    Ids(&'a [String]),
    /// Places of other things, from 1.
    Places(&'a [u32]),
    /// Unix microseconds, and counts.
    Integers(&'a [i64]),
    /// Other numbers.
    Numbers(&'a [f64]),
}

impl Store {
    /// A query in which `{name:Array(...)}` stands for each array of that name.
    pub(crate) fn ask(&self, sql: &str, arrays: &[(&str, Array<'_>)]) -> Query {
        let sql = arrays.iter().fold(sql.to_owned(), |sql, (name, array)| {
            sql.replace(&placeholder(name, array.kind()), &array.in_pieces(name))
        });
        arrays.iter().fold(self.query(&sql), |query, (name, array)| array.bind(name, query))
    }
}

impl Array<'_> {
    fn kind(self) -> &'static str {
        match self {
            Self::Ids(_) => "String",
            Self::Places(_) => "UInt32",
            Self::Integers(_) => "Int64",
            Self::Numbers(_) => "Float64",
        }
    }

    fn pieces(self) -> usize {
        let elements = match self {
            Self::Ids(ids) => ids.len(),
            Self::Places(places) => places.len(),
            Self::Integers(integers) => integers.len(),
            Self::Numbers(numbers) => numbers.len(),
        };
        elements.div_ceil(PIECE_ELEMENTS_MAX).max(1)
    }

    /// What stands for it in the question.
    fn in_pieces(self, name: &str) -> String {
        if self.pieces() == 1 {
            return placeholder(name, self.kind());
        }
        let pieces = (0..self.pieces()).map(|at| placeholder(&piece(name, at), self.kind()));
        format!("arrayConcat({})", pieces.collect::<Vec<_>>().join(", "))
    }

    fn bind(self, name: &str, query: Query) -> Query {
        if self.pieces() == 1 {
            return match self {
                Self::Ids(ids) => query.param(name, ids),
                Self::Places(places) => query.param(name, places),
                Self::Integers(integers) => query.param(name, integers),
                Self::Numbers(numbers) => query.param(name, numbers),
            };
        }
        (0..self.pieces()).fold(query, |query, at| self.of_piece(at).bind(&piece(name, at), query))
    }

    fn of_piece(self, at: usize) -> Self {
        /// The elements of one piece.
        fn cut<T>(elements: &[T], at: usize) -> &[T] {
            elements.chunks(PIECE_ELEMENTS_MAX).nth(at).unwrap_or_default()
        }
        match self {
            Self::Ids(ids) => Self::Ids(cut(ids, at)),
            Self::Places(places) => Self::Places(cut(places, at)),
            Self::Integers(integers) => Self::Integers(cut(integers, at)),
            Self::Numbers(numbers) => Self::Numbers(cut(numbers, at)),
        }
    }
}

fn placeholder(name: &str, kind: &str) -> String {
    format!("{{{name}:Array({kind})}}")
}

fn piece(name: &str, at: usize) -> String {
    format!("{name}_{at}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_array_is_put_together_from_pieces() {
        let of = |elements: u32| (0..elements).collect::<Vec<u32>>();
        assert_eq!(Array::Places(&of(0)).in_pieces("p"), "{p:Array(UInt32)}");
        assert_eq!(Array::Places(&of(1_000)).in_pieces("p"), "{p:Array(UInt32)}");
        let places = of(2_001);
        let long = Array::Places(&places);
        assert_eq!(long.in_pieces("p"), "arrayConcat({p_0:Array(UInt32)}, {p_1:Array(UInt32)}, {p_2:Array(UInt32)})");
        let pieces: Vec<u32> = (0..long.pieces())
            .flat_map(|at| match long.of_piece(at) {
                Array::Places(places) => places.to_vec(),
                _ => Vec::new(),
            })
            .collect();
        assert_eq!(pieces, places);
    }
}
