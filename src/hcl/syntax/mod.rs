//! HCL's native syntax, as far as it takes to find the blocks of a file and to know whether the
//! file can be loaded at all.
//!
//! Both programs read their files with one library, and refuse a file as a whole for one mistake
//! anywhere in it. So this accepts a file exactly where that library does: expressions and
//! templates are recognised in every detail, and then forgotten. `tests/it/hcl` compares the two.
//! Nothing here calls itself: open values are a list with a bound, so no file can exhaust the
//! stack. Each byte is looked at a bounded number of times.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a token that is not named may not stand there"
)]

mod bodies;
mod cursor;
mod expressions;
mod failure;
mod letters;
mod literals;
mod scanner;
mod templates;
mod tokens;

pub(super) use bodies::{Item, What, walk};
pub(super) use cursor::TOO_LONG;
pub(super) use literals::{is_number, plain_text};
