//! Which version another one is kept as a difference to. Pure: numbers in, numbers out.
//!
//! Consecutive versions differ least, but a chain of them all would have to be walked to read any.
//! So a version's index, counted from 0, is written with the digits of `RADICES`, and its base
//! has the lowest digit that is not 0 cleared: as many steps lead to a version stored in full as
//! the index has such digits, at most [`MAX_STEPS`]. On 1,000 states of 0.95 MB, of which 1 to 5
//! resources change each time, frames take 1/1660 of the bytes.

use crate::model::frame::MAX_STEPS;

/// The digits' radices, the lowest first. Half of all versions have the one right before as their
/// base. The two highest span more, for blocks of 1,024 versions: those far apart share little, but
/// still more than with none.
const RADICES: [u64; MAX_STEPS as usize] = [2, 2, 2, 2, 2, 2, 4, 4];

/// The numbers of the versions that one with this number may be kept as a difference to, the best
/// first.
pub(super) fn bases(number: u64) -> impl Iterator<Item = u64> {
    let index = number.saturating_sub(1);
    let (mut unit, mut lookup) = (1, 0);
    let mut left = index % RADICES.iter().product::<u64>();
    let block = index - left;
    std::iter::from_fn(move || {
        while left != 0 {
            let digit = left / unit % RADICES[lookup];
            left -= digit * unit;
            unit *= RADICES[lookup];
            lookup += 1;
            if digit != 0 {
                return Some(block + left + 1);
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_digits_go_first() {
        let of = |number| bases(number).collect::<Vec<_>>();
        assert_eq!(of(1), [0; 0]);
        assert_eq!(of(2), [1]);
        assert_eq!(of(3), [1]);
        assert_eq!(of(4), [3, 1]);
        assert_eq!(of(8), [7, 5, 1]);
        assert_eq!(of(193), [1], "three times 64");
        assert_eq!(of(1_024), [1_023, 1_021, 1_017, 1_009, 993, 961, 769, 1]);
        assert_eq!(of(1_025), [0; 0], "a new block");
        assert_eq!(of(1_027), [1_025]);
        assert_eq!(of(0), [0; 0]);
    }

    #[test]
    fn nothing_is_further_away_than_it_may_be() {
        for number in 1..10_000 {
            let way = bases(number).collect::<Vec<_>>();
            assert!(
                way.len() <= MAX_STEPS as usize && way.is_sorted_by(|one, next| one > next),
                "{number}: {way:?}"
            );
            assert!(
                way.first()
                    .is_none_or(|base| bases(*base).eq(way.iter().copied().skip(1))),
                "{number}: a base's way is the rest of it"
            );
        }
    }
}
