//! Tools that others made, let loose on the real API: whether it is what its OpenAPI document says. All there is, is in `tests`.
