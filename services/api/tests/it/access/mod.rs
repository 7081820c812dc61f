//! Who is let in, and to what.

pub(crate) mod keys;
mod matrix;
mod refusals;
