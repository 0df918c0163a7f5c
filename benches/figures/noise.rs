//! States that hardly can be compressed, so that a frame is about as large as its state.

use serde_json::json;

use crate::Res;

/// The first version of a state with a lineage of its own, with so many bytes of noise.
pub(crate) fn state(noise: &mut Noise, number: u64, length: usize) -> Res<Vec<u8>> {
    let state = json!({
        "version": 4, "terraform_version": "1.11.4", "serial": 1,
        "lineage": format!("00000000-0000-4000-8000-{number:012}"),
        "outputs": { "noise": { "value": noise.text(length), "type": "string" } },
        "resources": [],
    });
    Ok(serde_json::to_vec(&state)?)
}

/// Letters and digits by chance: three quarters of their size is the least that is left of them.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    /// A text of at least so many bytes.
    pub(crate) fn text(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length + 10);
        while text.len() < length {
            // An xorshift: fast, and no compressor sees through it.
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            for digit in 0..10 {
                let letter = usize::try_from((self.0 >> (6 * digit)) & 63).unwrap_or_default();
                text.push(char::from(
                    Self::LETTERS.get(letter).copied().unwrap_or(b'.'),
                ));
            }
        }
        text
    }
}
