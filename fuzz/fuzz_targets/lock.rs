//! See `statekeep_fuzz::lock`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| statekeep_fuzz::lock(bytes));
