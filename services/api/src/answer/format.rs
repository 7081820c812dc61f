//! In which form an answer is given: the one place that decides.

use axum::http::{HeaderMap, HeaderValue, header};

/// A form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// The document.
    #[default]
    Json,
    /// A row for each entry of its list, under a header.
    Csv,
    /// The same rows, an object a line.
    Ndjson,
    /// The same rows, as one array of objects: what Grafana reads.
    Rows,
}

impl Format {
    /// The one that we would rather send first.
    const ALL: [Self; 4] = [Self::Json, Self::Csv, Self::Ndjson, Self::Rows];

    /// What a query calls it.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        match name {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            "ndjson" => Ok(Self::Ndjson),
            "rows" => Ok(Self::Rows),
            _ => Err("takes json, csv, ndjson or rows".to_owned()),
        }
    }

    /// Its name, which also stands in entity tags.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Rows => "rows",
        }
    }

    /// Its media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::Ndjson => "application/x-ndjson",
            Self::Rows => "application/vnd.flywheel.rows+json",
        }
    }

    /// What it is sent as.
    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            other => other.media_type(),
        })
    }

    /// The one that the request's `Accept` likes best; none if it takes none of them.
    pub(crate) fn accepted(headers: &HeaderMap) -> Option<Self> {
        if !headers.contains_key(header::ACCEPT) {
            return Some(Self::Json);
        }
        let mut best = None;
        for format in Self::ALL {
            let liked = quality(headers, format.media_type());
            // Of equals the first stays.
            if liked.milli > 0 && best.is_none_or(|(_, most)| liked > most) {
                best = Some((format, liked));
            }
        }
        best.map(|(format, _)| format)
    }
}

/// Whether the request's `Accept` takes this media type.
pub(crate) fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    !headers.contains_key(header::ACCEPT) || quality(headers, media_type).milli > 0
}

/// How much a media type is liked; of two that are liked alike, the one that was named more closely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Liked {
    /// Thousandths.
    milli: u16,
    /// 3 for the type itself, 2 for its family, 1 for anything.
    closeness: u8,
}

/// The quality that the closest range gives it (RFC 9110, 12.5.1). What is not a range counts for nothing.
fn quality(headers: &HeaderMap, media_type: &str) -> Liked {
    let (r#type, subtype) = media_type.split_once('/').unwrap_or_default();
    let ranges = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges = ranges.flat_map(|value| value.split(',')).filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let (of, sub) = parts.next()?.split_once('/')?;
        let closeness = match (of, sub) {
            ("*", "*") => 1,
            (of, "*") if of.eq_ignore_ascii_case(r#type) => 2,
            (of, sub) if of.eq_ignore_ascii_case(r#type) && sub.eq_ignore_ascii_case(subtype) => 3,
            _ => return None,
        };
        let milli = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q="))).map_or(
            Some(1_000),
            |quality| {
                let quality: f32 = quality.parse().ok().filter(|quality| (0.0..=1.0).contains(quality))?;
                Some((quality * 1_000.0) as u16)
            },
        )?;
        Some(Liked { milli, closeness })
    });
    ranges.max_by_key(|liked| liked.closeness).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(accept: &'static str) -> Option<Format> {
        Format::accepted(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]))
    }

    #[test]
    fn the_form_is_the_one_that_is_liked_best() {
        for (accept, format) in [
            ("application/json", Format::Json),
            ("text/csv", Format::Csv),
            ("TEXT/CSV; header=present", Format::Csv),
            ("application/x-ndjson", Format::Ndjson),
            ("*/*", Format::Json),
            ("application/*", Format::Json),
            ("text/*", Format::Csv),
            ("application/vnd.flywheel.rows+json", Format::Rows),
            ("text/csv, */*", Format::Csv),
            ("text/csv;q=0.5, application/json;q=0.4", Format::Csv),
            ("text/csv;q=0.4, application/json;q=0.5", Format::Json),
            ("application/json;q=0, */*;q=0.1", Format::Csv),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format::Json),
            ("application/json;q=0.001", Format::Json),
            ("nonsense, application/x-ndjson", Format::Ndjson),
        ] {
            assert_eq!(accepted(accept), Some(format), "{accept}");
        }
        assert_eq!(Format::accepted(&HeaderMap::new()), Some(Format::Json));
    }

    #[test]
    fn what_we_do_not_have_is_not_passed_off_as_what_we_have() {
        for accept in ["text/html", "application/xml", "application/json;q=0", "*/*;q=0", "json", "", "text/csv;q=2"] {
            assert_eq!(accepted(accept), None, "{accept}");
        }
    }
}
