//! The feature id of a request: `owner-repo-number`.

use super::{events::digest, record::reference};
use domain::ids::FeatureId;

/// The longest id.
const ID_BYTES_MAX: usize = 64;

/// The id of request `number` of `source`: lower-cased, every character that an id may not have written `-`.
///
/// A name too long for an id keeps its beginning and its number, with a hash of the whole between them, so that two long
/// names with one beginning stay two.
pub(super) fn feature_id(source: &str, number: u64) -> Result<FeatureId, String> {
    let name: String =
        source.chars().map(|c| if matches!(c, 'a'..='z' | '0'..='9' | '.' | '_') { c } else { lower(c) }).collect();
    let whole = format!("{name}-{number}");
    let id = if whole.len() <= ID_BYTES_MAX {
        whole
    } else {
        let tail = format!("-{}-{number}", digest(&reference(source, number)));
        // Every character of `name` is one byte by now.
        format!("{}{tail}", &name[..ID_BYTES_MAX - tail.len()])
    };
    FeatureId::parse(&id).map_err(|_| format!("`source` gives no feature id: {source:?}"))
}

fn lower(c: char) -> char {
    if c.is_ascii_uppercase() { c.to_ascii_lowercase() } else { '-' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, number: u64, id: &str) {
        assert_eq!(feature_id(source, number).unwrap().as_str(), id);
    }

    #[test]
    fn a_name_is_lower_cased_and_its_other_characters_are_dashes() {
        check("Acme/Road Map", 7, "acme-road-map-7");
        check("acme/next.js_v2", 12, "acme-next.js_v2-12");
        check("acme/straße", 1, "acme-stra-e-1");
    }

    #[test]
    fn a_long_name_is_cut_and_stays_unique() {
        let long = format!("acme/{}", "x".repeat(80));
        let a = feature_id(&format!("{long}a"), 5).unwrap();
        let b = feature_id(&format!("{long}b"), 5).unwrap();
        assert_ne!(a, b);
        assert_eq!(a.as_str().len(), ID_BYTES_MAX);
        assert!(a.as_str().ends_with("-5"));
        let last = feature_id(&"é".repeat(150), u64::MAX);
        assert!(last.is_err(), "an id must begin with a letter or a digit");
    }
}
