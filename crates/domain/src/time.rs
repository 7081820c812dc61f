//! Instants in microseconds, and RFC 3339.
//!
//! A day is 86,400 seconds. Not here: the clock. Nothing in this crate knows what time it is.

use std::fmt;

use thiserror::Error;

/// Microseconds in a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds in a day.
pub const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// An instant: microseconds since 1970-01-01T00:00:00Z. Arithmetic saturates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// The text is not an RFC 3339 date and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not an RFC 3339 date and time")]
pub struct InvalidTime;

impl Timestamp {
    /// Reads RFC 3339, cutting (not rounding) what is finer than a microsecond.
    ///
    /// Any offset is accepted, `T` and `Z` in either case; the date and the time are separated by `T`, never by a space.
    /// A leap second (second 60) is accepted where UTC has one, at 23:59:60, and read as POSIX does: as the second
    /// that follows, because a day here has 86,400 of them.
    ///
    /// # Errors
    /// [`InvalidTime`] if the text is anything else.
    pub fn parse_rfc3339(text: &str) -> Result<Self, InvalidTime> {
        parse(text.as_bytes()).ok_or(InvalidTime)
    }

    /// RFC 3339 in UTC with `Z` and the shortest fraction: none, or up to 6 digits.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        self.to_string()
    }

    /// This instant moved by so many microseconds.
    #[must_use]
    pub fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// This instant moved into the past by so many days, to the nearest microsecond.
    #[must_use]
    pub fn minus_days(self, days: f64) -> Self {
        Self(self.0.saturating_sub(days_to_micros(days)))
    }

    /// The first day (UTC) of the month that it lies in, in days since 1970.
    #[must_use]
    pub fn month(self) -> i64 {
        let day = self.0.div_euclid(MICROS_PER_DAY);
        let (_, _, day_of_month) = civil_from_days(day);
        day + 1 - day_of_month
    }

    /// Microseconds from `earlier` to this instant; negative if it is later.
    #[must_use]
    pub fn micros_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// So many days in microseconds, to the nearest one. Saturates; NaN is 0.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "a cast from a float saturates, which is what we want")]
pub fn days_to_micros(days: f64) -> i64 {
    (days * MICROS_PER_DAY as f64).round() as i64
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0.div_euclid(MICROS_PER_DAY));
        let micros = self.0.rem_euclid(MICROS_PER_DAY);
        let (seconds, fraction) = (micros / MICROS_PER_SECOND, micros % MICROS_PER_SECOND);
        if (0..=9999).contains(&year) {
            write!(f, "{year:04}")?;
        } else {
            // Beyond RFC 3339; ISO 8601's expanded form at least cannot be misread.
            write!(f, "{year:+07}")?;
        }
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if fraction != 0 {
            write!(f, ".{}", format!("{fraction:06}").trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// `YYYY-MM-DDTHH:MM:SS[.f+](Z|±HH:MM)` and nothing else.
fn parse(text: &[u8]) -> Option<Timestamp> {
    let (head, tail) = text.split_at_checked(19)?;
    let number = |at: std::ops::Range<usize>| digits(&head[at]);
    if head[4] != b'-' || head[7] != b'-' || !matches!(head[10], b'T' | b't') || head[13] != b':' || head[16] != b':' {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, zone) = split_fraction(tail)?;
    let offset_minutes = parse_zone(zone)?;

    let minutes = days_from_civil(year, month, day) * 1440 + hour * 60 + minute - offset_minutes;
    if second == 60 && minutes.rem_euclid(1440) != 1439 {
        return None;
    }
    Some(Timestamp((minutes * 60 + second) * MICROS_PER_SECOND + fraction))
}

/// The fraction in microseconds, cut, and what follows it.
fn split_fraction(tail: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = tail.strip_prefix(b".") else {
        return Some((0, tail));
    };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let (fraction, zone) = rest.split_at(length);
    let micros = (0..6).fold(0, |sum, at| sum * 10 + fraction.get(at).map_or(0, |byte| i64::from(byte - b'0')));
    Some((micros, zone))
}

/// Minutes east of UTC.
fn parse_zone(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let east = hours * 60 + minutes;
            Some(if *sign == b'-' { -east } else { east })
        }
        _ => None,
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar. Howard Hinnant's algorithm: years begin in March, in
/// eras of 400 years.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<String> {
        Timestamp::parse_rfc3339(text).ok().map(Timestamp::to_rfc3339)
    }

    #[test]
    fn times_are_read_in_any_offset_and_cut_to_microseconds() {
        for (text, utc) in [
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02t03:04:05z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05Z"),
            ("2026-01-01T23:30:00-05:30", "2026-01-02T05:00:00Z"),
            ("2026-01-02T03:04:05-00:00", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05.1Z", "2026-01-02T03:04:05.1Z"),
            ("2026-01-02T03:04:05.123456999Z", "2026-01-02T03:04:05.123456Z"),
            ("2026-01-02T03:04:05.0000009Z", "2026-01-02T03:04:05Z"),
            ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
            ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(utc), "{text}");
        }
        assert_eq!(Timestamp::parse_rfc3339("2000-01-01T00:00:00Z"), Ok(Timestamp(946_684_800_000_000)));
    }

    #[test]
    fn a_leap_second_is_the_second_that_follows_it() {
        assert_eq!(read("2016-12-31T23:59:60Z").as_deref(), Some("2017-01-01T00:00:00Z"));
        assert_eq!(read("2017-01-01T01:59:60.5+02:00").as_deref(), Some("2017-01-01T00:00:00.5Z"));
        assert_eq!(read("2016-12-31T22:59:60Z"), None);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "2026",
            "2026-01-02",
            "2026-01-02T03:04:05",
            "2026-01-02 03:04:05Z",
            "2026-01-02T03:04Z",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05+0200",
            "2026-01-02T03:04:05+24:00",
            "2026-01-02T03:04:05ZZ",
            "2026-13-02T03:04:05Z",
            "2026-00-02T03:04:05Z",
            "2026-02-29T03:04:05Z",
            "1900-02-29T03:04:05Z",
            "2026-04-31T03:04:05Z",
            "2026-01-02T24:00:00Z",
            "2026-01-02T03:60:05Z",
            "2026-01-02T03:04:61Z",
            "+2026-01-02T03:04:05Z",
            "2026-01-02T03:04:0\u{661}Z",
            " 2026-01-02T03:04:05Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_month_begins_with_its_first_day() {
        for (time, month) in [
            ("2024-02-29T23:59:59.999999Z", "2024-02-01T00:00:00Z"),
            ("2024-03-01T00:00:00Z", "2024-03-01T00:00:00Z"),
            ("2026-01-31T12:00:00Z", "2026-01-01T00:00:00Z"),
            ("1969-12-31T23:59:59Z", "1969-12-01T00:00:00Z"),
        ] {
            let began = Timestamp::parse_rfc3339(time).map(|time| Timestamp(time.month() * MICROS_PER_DAY));
            assert_eq!(began, Timestamp::parse_rfc3339(month), "{time}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp(i64::MAX).plus_micros(1), Timestamp(i64::MAX));
        assert_eq!(Timestamp(i64::MIN).minus_days(1e300), Timestamp(i64::MIN));
        assert_eq!(Timestamp(0).minus_days(0.5), Timestamp(-MICROS_PER_DAY / 2));
        assert_eq!(Timestamp(i64::MIN).micros_since(Timestamp(1)), i64::MIN);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(micros in -62_167_219_200_000_000_i64..=253_402_300_799_999_999) {
            let written = Timestamp(micros).to_rfc3339();
            prop_assert_eq!(Timestamp::parse_rfc3339(&written), Ok(Timestamp(micros)));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}", micros: i64) {
            let _ = Timestamp::parse_rfc3339(&text);
            let _ = Timestamp(micros).to_rfc3339();
        }
    }
}
