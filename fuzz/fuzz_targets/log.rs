//! See `statekeep_fuzz::log`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| statekeep_fuzz::log(bytes));
