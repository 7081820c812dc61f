//! Who is let in, and to what.

mod keys;
mod matrix;
mod refusals;
