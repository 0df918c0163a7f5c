//! See `statekeep_fuzz::state`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| statekeep_fuzz::state(bytes));
