//! zstd as a stream, for archives that are never held in memory.

use std::io::{self, BufReader, Read, Write};

use zstd::stream::{read, write};

/// zstd's level for archives. Most of their content is compressed already, so more time gains
/// little.
const LEVEL: i32 = 1;
/// The largest window that a stream may ask the reader for, as a power of two: 8 MiB.
const MAX_WINDOW_LOG: u32 = 23;

/// Compresses what is written to it.
pub struct ZstdWriter<W: Write>(write::Encoder<'static, W>);

impl<W: Write> ZstdWriter<W> {
    /// A stream with a checksum at its end.
    pub fn new(inner: W) -> io::Result<Self> {
        let mut encoder = write::Encoder::new(inner, LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Self(encoder))
    }

    /// Ends the stream, and gives back where it went.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for ZstdWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Decompresses what is read from it. A stream that ends early is an error, and so is one that asks
/// for much memory.
pub struct ZstdReader<R: Read>(read::Decoder<'static, BufReader<R>>);

impl<R: Read> ZstdReader<R> {
    /// What a stream holds.
    pub fn new(inner: R) -> io::Result<Self> {
        let mut decoder = read::Decoder::new(inner)?;
        decoder.window_log_max(MAX_WINDOW_LOG)?;
        Ok(Self(decoder))
    }
}

impl<R: Read> Read for ZstdReader<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut writer = ZstdWriter::new(Vec::new()).unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    fn read(stream: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        ZstdReader::new(stream)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn what_is_cut_off_or_changed_is_an_error() {
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let stream = compressed(&bytes);
        assert_eq!(read(&stream).unwrap(), bytes);
        for length in [1, stream.len() / 2, stream.len() - 1] {
            assert!(read(&stream[..length]).is_err(), "{length}");
        }
        let mut changed = stream.clone();
        let last = changed.len() - 1;
        changed[last] ^= 1;
        assert!(read(&changed).is_err(), "the checksum");
    }

    #[test]
    fn a_stream_that_asks_for_much_memory_is_refused() {
        let mut encoder = write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(MAX_WINDOW_LOG + 1).unwrap();
        encoder.write_all(&vec![7; 32 << 20]).unwrap();
        assert!(read(&encoder.finish().unwrap()).is_err());
    }
}
