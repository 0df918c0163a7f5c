//! The texts that are part of the program: `build.rs` names and compresses them, and one that is
//! asked for is opened here. They would be a thirtieth of the program otherwise.

use std::io::Read as _;

use flate2::read::GzDecoder;

/// A file of `docs/`, as it is compressed in the program.
#[macro_export]
#[doc(hidden)]
macro_rules! packed {
    ($name:literal) => {
        $crate::packed::Packed(include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz")))
    };
}

/// A text that is compressed: what [`packed!`](crate::packed!) makes.
#[derive(Clone, Copy)]
pub struct Packed(#[doc(hidden)] pub &'static [u8]);

impl Packed {
    /// The whole text. What `build.rs` made is never damaged; if it were, the text would end there.
    pub fn open(self) -> String {
        let mut text = String::new();
        let _ = GzDecoder::new(self.0).read_to_string(&mut text);
        text
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_text_is_opened_as_it_was_written_and_takes_less_room() {
        let packed = packed!("openapi.json");
        let text = include_str!("../docs/openapi.json");
        assert_eq!(packed.open(), text);
        assert!(packed.0.len() < text.len() / 4, "{}", packed.0.len());
        assert_eq!(packed!("cli.md").open(), include_str!("../docs/cli.md"));
    }
}
