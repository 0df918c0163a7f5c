//! SQLite's file format, read without SQLite.
//!
//! SQLite refuses a file whose header is damaged, and cuts a write-ahead log at its first damaged
//! frame. The readers here look at such files as they are and change nothing. They follow
//! <https://www.sqlite.org/fileformat2.html>, know none of our tables, and take any bytes: no
//! input makes them panic, loop or ask for more memory than its length justifies.

pub mod source;
pub mod wal;

pub mod header;
pub mod overflow;
pub mod page;
pub mod pointer_map;
pub mod record;
pub mod unused;
