//! Who asks: keys, the tokens that are given for them, and what is remembered of both.

pub mod credentials;
pub mod keys;
pub mod logins;
pub mod tokens;
