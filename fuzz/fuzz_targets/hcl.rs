//! See `statekeep_fuzz::hcl`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| statekeep_fuzz::hcl(bytes));
