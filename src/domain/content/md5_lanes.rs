//! MD5s of several bodies at the same time.
//!
//! Clients send the MD5 of each state. Every step of MD5 waits for the one before, so a processor
//! that computes one of them is idle most of the time: when many clients write at once, their
//! bodies are hashed side by side, one in each lane of the processor's vectors, in little more than
//! the time of one. MD5 only finds what was cut or changed on the way; what is kept is addressed by
//! SHA-256.

use wide::u32x4;

/// How many bodies are hashed at a time.
pub(in crate::domain) const LANES: usize = 4;

const BLOCK: usize = 64;
/// Where the length stands in a body's last block.
const LENGTH_AT: usize = 56;

/// The state that each MD5 begins with, and the fractions of the sines of 1 to 64, as RFC 1321 has
/// them.
const BEGIN: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee,
    0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be,
    0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa,
    0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed,
    0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c,
    0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05,
    0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039,
    0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1,
    0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// The MD5s of some bodies; those of about the same length should stand together.
pub(in crate::domain) fn md5_of_each(bodies: &[&[u8]]) -> Vec<[u8; 16]> {
    bodies
        .chunks(LANES)
        .flat_map(|some| md5_of_lanes(some).into_iter().take(some.len()))
        .collect()
}

fn md5_of_lanes(bodies: &[&[u8]]) -> [[u8; 16]; LANES] {
    let lanes: [Lane<'_>; LANES] =
        std::array::from_fn(|lane| Lane::new(bodies.get(lane).copied().unwrap_or_default()));
    let mut state = BEGIN.map(u32x4::splat);
    let mut md5s = [[0; 16]; LANES];
    // A lane that is through with its body goes on with its last block, and nobody looks at what
    // becomes of it.
    for number in 0..lanes.iter().map(Lane::blocks).max().unwrap_or(0) {
        mix_in(&mut state, lanes.each_ref().map(|lane| lane.block(number)));
        for (at, (lane, md5)) in lanes.iter().zip(&mut md5s).enumerate() {
            if number + 1 == lane.blocks() {
                let words = state.map(|word| word.to_array()[at].to_le_bytes());
                md5.copy_from_slice(words.as_flattened());
            }
        }
    }
    md5s
}

/// One body: its whole blocks, and the one or two that its end is filled up to.
struct Lane<'b> {
    whole: &'b [[u8; BLOCK]],
    end: [[u8; BLOCK]; 2],
    ends: usize,
}

impl<'b> Lane<'b> {
    fn new(body: &'b [u8]) -> Self {
        let (whole, rest) = body.as_chunks::<BLOCK>();
        let mut end = [[0; BLOCK]; 2];
        let ends = if rest.len() < LENGTH_AT { 1 } else { 2 };
        let filled = end.as_flattened_mut();
        filled[..rest.len()].copy_from_slice(rest);
        filled[rest.len()] = 0x80;
        let bits = (body.len() as u64).wrapping_mul(8);
        end[ends - 1][LENGTH_AT..].copy_from_slice(&bits.to_le_bytes());
        Self { whole, end, ends }
    }

    fn blocks(&self) -> usize {
        self.whole.len() + self.ends
    }

    fn block(&self, number: usize) -> &[u8; BLOCK] {
        let after = |whole: usize| (number - whole).min(self.ends - 1);
        self.whole
            .get(number)
            .unwrap_or_else(|| &self.end[after(self.whole.len())])
    }
}

/// One block of each lane.
fn mix_in(state: &mut [u32x4; 4], blocks: [&[u8; BLOCK]; LANES]) {
    let blocks = blocks.map(|block| block.as_chunks::<4>().0);
    let words: [u32x4; 16] =
        std::array::from_fn(|word| u32x4::new(blocks.map(|block| u32::from_le_bytes(block[word]))));
    let mut now = *state;
    now = round::<7, 12, 17, 22>(now, &words, (1, 0), 0, |b, c, d| d ^ (b & (c ^ d)));
    now = round::<5, 9, 14, 20>(now, &words, (5, 1), 16, |b, c, d| (b & d) | (c & !d));
    now = round::<4, 11, 16, 23>(now, &words, (3, 5), 32, |b, c, d| b ^ c ^ d);
    now = round::<6, 10, 15, 21>(now, &words, (7, 0), 48, |b, c, d| c ^ (b | !d));
    for (word, mixed) in state.iter_mut().zip(now) {
        *word += mixed;
    }
}

/// Sixteen steps. Word `stride * step + first` is mixed in by each; how far one turns is part of
/// the type, so that it is part of an instruction.
#[inline]
fn round<const A: u32, const D: u32, const C: u32, const B: u32>(
    [mut a, mut b, mut c, mut d]: [u32x4; 4],
    words: &[u32x4; 16],
    (stride, first): (usize, usize),
    sines: usize,
    mix: impl Fn(u32x4, u32x4, u32x4) -> u32x4,
) -> [u32x4; 4] {
    let added =
        |step: usize| words[(stride * step + first) % 16] + u32x4::splat(SINES[sines + step]);
    for step in [0, 4, 8, 12] {
        a = turn::<A>(a + added(step) + mix(b, c, d)) + b;
        d = turn::<D>(d + added(step + 1) + mix(a, b, c)) + a;
        c = turn::<C>(c + added(step + 2) + mix(d, a, b)) + d;
        b = turn::<B>(b + added(step + 3) + mix(c, d, a)) + c;
    }
    [a, b, c, d]
}

#[inline]
fn turn<const BITS: u32>(word: u32x4) -> u32x4 {
    (word << BITS) | (word >> (32 - BITS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::{Digest as _, Md5};
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn expected(body: &[u8]) -> [u8; 16] {
        Md5::digest(body).into()
    }

    #[test]
    fn around_the_end_of_a_block_each_length_is_right_beside_each_other() {
        let text: Vec<u8> = (0..=255).collect();
        for length in 0..=3 * BLOCK {
            let bodies = [
                &text[..length],
                &text[1..=length],
                &text[..length.saturating_sub(9)],
                &text[2..length + 60],
            ];
            assert_eq!(md5_of_each(&bodies), bodies.map(expected), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn they_are_those_of_the_library(
            bodies in vec(vec(any::<u8>(), 0..2_000), 0..=2 * LANES + 1),
        ) {
            let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
            let right: Vec<[u8; 16]> = bodies.iter().map(|body| expected(body)).collect();
            prop_assert_eq!(md5_of_each(&bodies), right);
        }
    }
}
