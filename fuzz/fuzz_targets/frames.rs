//! See `statekeep_fuzz::frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| statekeep_fuzz::frames(bytes));
