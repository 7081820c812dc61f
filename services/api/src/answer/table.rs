//! A document's list as rows of plain values: for spreadsheets, for Grafana, and for one line after the other.

use std::io;

use serde_json::{Map, Value};

use super::format::Format;

/// A document that is, in the main, a list.
pub(crate) trait Tabular {
    /// The columns of its rows, in order. What a row has for none of them is in the document alone.
    const COLUMNS: &'static [&'static str];

    /// A row for each entry. A row's values may be nested: `demand.share` goes into the column `demand_share`.
    fn rows(&self) -> Result<Vec<Value>, serde_json::Error>;
}

/// The document's rows in a form other than the document's own.
pub(crate) fn encode<T: Tabular>(document: &T, format: Format) -> io::Result<Vec<u8>> {
    let rows = document.rows()?.into_iter().map(|row| flat(T::COLUMNS, &row));
    match format {
        Format::Csv => csv(T::COLUMNS, rows),
        Format::Ndjson => {
            let mut lines = Vec::new();
            for row in rows {
                serde_json::to_writer(&mut lines, &object(T::COLUMNS, row))?;
                lines.push(b'\n');
            }
            Ok(lines)
        }
        Format::Json | Format::Rows => {
            Ok(serde_json::to_vec(&rows.map(|row| object(T::COLUMNS, row)).collect::<Vec<_>>())?)
        }
    }
}

fn csv(columns: &[&str], rows: impl Iterator<Item = Vec<Value>>) -> io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(columns)?;
    for row in rows {
        writer.write_record(row.into_iter().map(cell))?;
    }
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}

/// What a spreadsheet takes for the beginning of a formula; some do so of the full-width signs too.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// A value as a spreadsheet reads it. A text that it would take for a formula has an apostrophe before it; numbers are numbers.
fn cell(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.starts_with(FORMULA) => format!("'{text}"),
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The row's values in the order of the columns; `null` where it has none.
fn flat(columns: &[&str], row: &Value) -> Vec<Value> {
    columns.iter().map(|column| find(row, column).cloned().unwrap_or_default()).collect()
}

/// The value that `column` names: its own, or that of an object whose name the column begins with.
fn find<'a>(value: &'a Value, column: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    let own = object.get(column).filter(|value| !value.is_object() && !value.is_array());
    own.or_else(|| {
        object.iter().find_map(|(name, value)| find(value, column.strip_prefix(name.as_str())?.strip_prefix('_')?))
    })
}

fn object(columns: &[&str], row: Vec<Value>) -> Map<String, Value> {
    columns.iter().map(|column| (*column).to_owned()).zip(row).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Sheet(Vec<Value>);

    impl Tabular for Sheet {
        const COLUMNS: &'static [&'static str] = &["title", "demand_share", "demand_outside_lapsed", "sure"];

        fn rows(&self) -> Result<Vec<Value>, serde_json::Error> {
            Ok(self.0.clone())
        }
    }

    fn encoded(format: Format, rows: Vec<Value>) -> String {
        String::from_utf8(encode(&Sheet(rows), format).unwrap()).unwrap()
    }

    #[test]
    fn rows_are_flat_and_have_every_column() {
        let rows = || {
            vec![
                json!({"title": "a", "demand": {"share": 0.1, "outside": {"lapsed": 3}}, "sure": true, "more": 1}),
                json!({"title": "b", "demand": null}),
            ]
        };
        assert_eq!(
            encoded(Format::Csv, rows()),
            "title,demand_share,demand_outside_lapsed,sure\r\na,0.1,3,true\r\nb,,,\r\n"
        );
        let a = json!({"title": "a", "demand_share": 0.1, "demand_outside_lapsed": 3, "sure": true});
        let b = json!({"title": "b", "demand_share": null, "demand_outside_lapsed": null, "sure": null});
        assert_eq!(serde_json::from_str::<Value>(&encoded(Format::Rows, rows())).unwrap(), json!([a, b]));
        let lines: Vec<Value> =
            encoded(Format::Ndjson, rows()).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines, [a, b]);
    }

    #[test]
    fn no_text_is_a_formula_and_numbers_stay_numbers() {
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("＝1+1", "'＝1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@sum", "'@sum"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("a=1", "a=1"),
            ("say \"a,b\"", "\"say \"\"a,b\"\"\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            let csv = encoded(Format::Csv, vec![json!({"title": text, "demand": {"share": -0.5}})]);
            let expected = format!("title,demand_share,demand_outside_lapsed,sure\r\n{cell},-0.5,,\r\n");
            assert_eq!(csv, expected, "{text:?}");
        }
    }
}
