//! When an event happened, as RFC 3339 in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

const MICROS_PER_DAY: i128 = 86_400_000_000;

/// When an event happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventTime {
    /// An instant; sent to the microsecond.
    At(SystemTime),
    /// RFC 3339, sent as it is.
    Rfc3339(String),
}

impl EventTime {
    /// The instant as RFC 3339; the text as it is.
    pub(crate) fn to_rfc3339(&self) -> String {
        match self {
            Self::At(time) => rfc3339(micros_since_epoch(*time)),
            Self::Rfc3339(text) => text.clone(),
        }
    }
}

impl From<SystemTime> for EventTime {
    fn from(time: SystemTime) -> Self {
        Self::At(time)
    }
}

impl From<String> for EventTime {
    fn from(text: String) -> Self {
        Self::Rfc3339(text)
    }
}

impl From<&str> for EventTime {
    fn from(text: &str) -> Self {
        Self::Rfc3339(text.to_owned())
    }
}

fn micros_since_epoch(time: SystemTime) -> i128 {
    // A Duration's microseconds fit in 95 bits.
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_micros() as i128,
        // Towards the past, so that cutting to microseconds never moves an instant later.
        Err(before) => -(before.duration().as_nanos().div_ceil(1_000) as i128),
    }
}

fn rfc3339(micros: i128) -> String {
    let (year, month, day) = civil(micros.div_euclid(MICROS_PER_DAY));
    let of_day = micros.rem_euclid(MICROS_PER_DAY);
    let (seconds, micros) = (of_day / 1_000_000, of_day % 1_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// The Gregorian date of a day since 1970-01-01, in years that begin in March so that the leap day comes last.
fn civil(days: i128) -> (i128, i128, i128) {
    let since_march_0 = days + 719_468;
    let era = since_march_0.div_euclid(146_097);
    let day_of_era = since_march_0.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i128::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn instants_are_written_in_utc_to_the_microsecond() {
        // Each pair agrees with `date -u -d @SECONDS`.
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399, "2000-02-28T23:59:59.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (951_868_800, "2000-03-01T00:00:00.000000Z"),
            (1_798_761_599, "2026-12-31T23:59:59.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
        ] {
            let time = EventTime::At(UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(time.to_rfc3339(), expected);
        }
    }

    #[test]
    fn an_instant_is_cut_to_the_microsecond_never_rounded_up() {
        let nanos = Duration::from_nanos(1_999);
        assert_eq!(EventTime::At(UNIX_EPOCH + nanos).to_rfc3339(), "1970-01-01T00:00:00.000001Z");
        assert_eq!(EventTime::At(UNIX_EPOCH - nanos).to_rfc3339(), "1969-12-31T23:59:59.999998Z");
    }
}
