//! See `statekeep_fuzz::salvage`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| statekeep_fuzz::salvage(bytes));
