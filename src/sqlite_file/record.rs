//! Records: the row that a cell holds, column by column.
//!
//! The format: <https://www.sqlite.org/fileformat2.html#record_format>. A record is read from its
//! first bytes, as far as they are there: the columns of a row with a long blob are known before
//! its overflow pages are read.

/// The most columns that a record is read with: SQLite's own limit is 2,000 unless raised.
const MAX_COLUMNS: usize = 2_000;

/// A value of a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SqlValue<'a> {
    /// NULL; also the column that stands for the row's id.
    Null,
    /// An integer.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// Text, in whatever encoding the database has.
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
    /// Text or bytes that do not end within the bytes that are there.
    Beyond,
}

impl<'a> SqlValue<'a> {
    /// The integer, if it is one.
    pub fn integer(self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(number),
            Self::Null | Self::Real(_) | Self::Text(_) | Self::Blob(_) | Self::Beyond => None,
        }
    }

    /// The text, if it is one in UTF-8.
    pub fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            Self::Null | Self::Integer(_) | Self::Real(_) | Self::Blob(_) | Self::Beyond => None,
        }
    }

    /// The bytes of a blob, if it is one.
    pub fn blob(self) -> Option<&'a [u8]> {
        match self {
            Self::Blob(bytes) => Some(bytes),
            Self::Null | Self::Integer(_) | Self::Real(_) | Self::Text(_) | Self::Beyond => None,
        }
    }
}

/// Where a column's bytes are in the record.
#[derive(Clone, Copy, Debug)]
struct Span {
    serial_type: u64,
    offset: u64,
    len: u64,
}

/// A record, as far as its bytes are there.
#[derive(Debug)]
pub struct SqlRecord<'a> {
    bytes: &'a [u8],
    columns: Vec<Span>,
}

impl<'a> SqlRecord<'a> {
    /// Reads a record of this length from its first bytes. None if they are no record: the header
    /// has to be there as a whole, and the columns have to fill the length exactly.
    pub fn parse(bytes: &'a [u8], len: u64) -> Option<Self> {
        let (header_len, mut at) = varint(bytes)?;
        let header = bytes.get(..usize::try_from(header_len).ok()?)?;
        let mut columns = Vec::new();
        let mut offset = header_len;
        while at < header.len() {
            let (serial_type, read) = varint(&header[at..])?;
            at += read;
            let len = content_len(serial_type)?;
            columns.push(Span {
                serial_type,
                offset,
                len,
            });
            offset = offset.checked_add(len)?;
            if columns.len() > MAX_COLUMNS {
                return None;
            }
        }
        (offset == len && at == header.len()).then_some(Self { bytes, columns })
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// The value of a column, counted from 0; none where there is no such column.
    pub fn value(&self, column: usize) -> Option<SqlValue<'a>> {
        let span = self.columns.get(column)?;
        let from = usize::try_from(span.offset).ok()?;
        let to = usize::try_from(span.offset.checked_add(span.len)?).ok()?;
        let Some(bytes) = self.bytes.get(from..to) else {
            return Some(SqlValue::Beyond);
        };
        Some(match span.serial_type {
            0 => SqlValue::Null,
            1..=6 => SqlValue::Integer(integer(bytes)),
            7 => SqlValue::Real(f64::from_bits(integer(bytes).cast_unsigned())),
            8 => SqlValue::Integer(0),
            9 => SqlValue::Integer(1),
            even if even % 2 == 0 => SqlValue::Blob(bytes),
            _ => SqlValue::Text(bytes),
        })
    }

    /// Where in the record a column's blob begins, and how long it is, in bytes; none if the column
    /// is no blob.
    pub fn blob_span(&self, column: usize) -> Option<(u64, u64)> {
        let span = self.columns.get(column)?;
        let is_blob = span.serial_type >= 12 && span.serial_type % 2 == 0;
        is_blob.then_some((span.offset, span.len))
    }

    /// The bytes of the record that are there, from an offset on.
    pub fn bytes_from(&self, offset: u64) -> &'a [u8] {
        let from = usize::try_from(offset).ok();
        from.and_then(|from| self.bytes.get(from..))
            .unwrap_or_default()
    }
}

/// How many bytes a value of a serial type takes; none for the two that are reserved.
fn content_len(serial_type: u64) -> Option<u64> {
    match serial_type {
        0 | 8 | 9 => Some(0),
        small @ 1..=4 => Some(small),
        5 => Some(6),
        6 | 7 => Some(8),
        10 | 11 => None,
        text_or_blob => Some((text_or_blob - 12) / 2),
    }
}

/// A signed integer of up to eight bytes, the highest first.
fn integer(bytes: &[u8]) -> i64 {
    let is_negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let start = if is_negative { -1 } else { 0 };
    bytes
        .iter()
        .fold(start, |number: i64, byte| (number << 8) | i64::from(*byte))
}

/// An integer of one to nine bytes, and how many it took. None if the bytes end within it.
pub fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0;
    for (at, byte) in bytes.iter().take(8).enumerate() {
        number = (number << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, at + 1));
        }
    }
    let ninth = bytes.get(8)?;
    Some(((number << 8) | u64::from(*ninth), 9))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// NULL, 1, -2 in two bytes, `ab` and a blob of three bytes.
    const RECORD: [u8; 13] = [6, 0, 9, 2, 17, 18, 0xff, 0xfe, b'a', b'b', 1, 2, 3];

    #[test]
    fn each_column_has_its_value() {
        let record = SqlRecord::parse(&RECORD, 13).unwrap();
        let values: Vec<_> = (0..record.columns())
            .map(|column| record.value(column).unwrap())
            .collect();
        let expected = [
            SqlValue::Null,
            SqlValue::Integer(1),
            SqlValue::Integer(-2),
            SqlValue::Text(b"ab"),
            SqlValue::Blob(&[1, 2, 3]),
        ];
        assert_eq!(values, expected);
        assert_eq!(record.value(5), None);
        assert_eq!(record.blob_span(4), Some((10, 3)));
        assert_eq!(record.blob_span(3), None);
        assert_eq!(record.bytes_from(11), [2, 3]);
    }

    #[test]
    fn a_record_is_known_from_its_beginning() {
        let record = SqlRecord::parse(&RECORD[..10], 13).unwrap();
        assert_eq!(record.value(3), Some(SqlValue::Text(b"ab")));
        assert_eq!(record.value(4), Some(SqlValue::Beyond));
        assert!(
            SqlRecord::parse(&RECORD[..5], 13).is_none(),
            "half a header"
        );
    }

    #[test]
    fn a_record_of_another_length_is_none() {
        assert!(SqlRecord::parse(&RECORD, 12).is_none());
        assert!(SqlRecord::parse(&RECORD, 14).is_none());
        assert!(SqlRecord::parse(&[2, 10], 2).is_none(), "a reserved type");
    }

    #[test]
    fn varints_are_read_as_sqlite_writes_them() {
        assert_eq!(varint(&[0x7f]), Some((127, 1)));
        assert_eq!(varint(&[0x81, 0x00]), Some((128, 2)));
        assert_eq!(varint(&[0xff; 9]), Some((u64::MAX, 9)));
        assert_eq!(varint(&[0xff; 8]), None);
        assert_eq!(varint(&[]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            len in any::<u64>(),
        ) {
            for len in [len, bytes.len() as u64] {
                if let Some(record) = SqlRecord::parse(&bytes, len) {
                    for column in 0..=record.columns() {
                        let _ = (record.value(column), record.blob_span(column));
                    }
                    let _ = record.bytes_from(len);
                }
            }
        }
    }
}
