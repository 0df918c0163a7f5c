//! Who asks: keys, trusts in ID tokens, the tokens that are given for either, and what is
//! remembered of them.

pub mod credentials;
mod exchange;
pub mod giving;
pub mod id_tokens;
pub mod keys;
pub mod logins;
pub mod tokens;
pub mod trusts;
