//! How long a test runs: short each time, a middle length in CI, as long as one likes by hand.

/// `STATEKEEP_PROOF_NAME`, or else the length that is usual.
pub fn length(name: &str, usual: u64) -> u64 {
    let name = format!("STATEKEEP_PROOF_{name}");
    match std::env::var(&name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => usual,
    }
}
