//! The drawing: how often intervals hold the true rank, beside how often strict orders have it.

use std::fmt::Write as _;

use crate::{
    report::Group,
    study::{ACCOUNTS, COVERAGE_MIN, Mean, Outcome},
};

const WIDTH: f64 = 760.0;
/// Where 0 % and 100 % are.
const LEFT: f64 = 150.0;
const RIGHT: f64 = 730.0;
/// Above the first row.
const TOP: f64 = 88.0;
const ROW: f64 = 17.0;
/// Between shapes.
const GAP: f64 = 12.0;
/// Below the last row.
const BOTTOM: f64 = 44.0;

/// Colours for a light and for a dark surrounding, and no background of its own beyond a plain one.
const STYLE: &str = "
  .paper { fill: #ffffff } .text { fill: #1f2328 } .faint { fill: #59636e }
  .grid { stroke: #d1d9e0; stroke-width: 1 } .bound { stroke: #1f2328; stroke-width: 1; stroke-dasharray: 4 3 }
  .held { fill: #0969da; stroke: #0969da } .votes { fill: none; stroke: #bc4c00; stroke-width: 2 }
  .scores { fill: none; stroke: #59636e; stroke-width: 2 }
  text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif }
  .title { font-size: 14px; font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117 } .text { fill: #f0f6fc } .faint { fill: #9198a1 }
    .grid { stroke: #3d444d } .bound { stroke: #f0f6fc }
    .held { fill: #4493f8; stroke: #4493f8 } .votes { stroke: #f0883e } .scores { stroke: #9198a1 }
  }
";

/// An SVG document.
#[must_use]
pub fn draw(outcomes: &[Outcome]) -> String {
    let groups = Group::all(outcomes);
    let mut rows = String::new();
    let mut y = TOP;
    for (at, group) in groups.iter().enumerate() {
        if at % ACCOUNTS.len() == 0 {
            if at > 0 {
                y += GAP;
            }
            text(&mut rows, "text", 16.0, y, "start", &group.shape.name().replace('_', " "));
        }
        row(&mut rows, group, y);
        y += ROW;
    }
    let bottom = y - ROW / 2.0;
    let height = y + BOTTOM;

    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-label=\"How often rank intervals hold the true rank, and how often strict orders have it\">\n\
         <style>{STYLE}</style>\n<rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>"
    );
    legend(&mut svg);
    for percent in [0, 20, 40, 60, 80, 100] {
        let x = x(f64::from(percent) / 100.0);
        line(&mut svg, "grid", x, TOP - ROW, bottom);
        text(&mut svg, "faint", x, bottom + 16.0, "middle", &format!("{percent} %"));
    }
    line(&mut svg, "bound", x(COVERAGE_MIN), TOP - ROW, bottom);
    text(&mut svg, "faint", x(COVERAGE_MIN), TOP - ROW - 5.0, "middle", &format!("{:.0} %", COVERAGE_MIN * 100.0));
    text(&mut svg, "faint", x(0.5), bottom + 34.0, "middle", "share of features, by number of accounts");
    svg.push_str(&rows);
    svg.push_str("</svg>\n");
    svg
}

/// One number of accounts of one shape: the least and the usual coverage, and what the strict orders have.
fn row(svg: &mut String, group: &Group<'_>, y: f64) {
    text(svg, "faint", LEFT - 14.0, y, "end", &group.accounts.to_string());
    let middle = y - 4.0;
    let at = |mean: Mean| x(mean.value());
    let (least, usual) = (at(group.least(|outcome| outcome.coverage).coverage), at(group.usual.coverage));
    let _ = writeln!(
        svg,
        "<path class=\"held\" stroke-width=\"2\" d=\"M{least:.1} {middle:.1}H{usual:.1}\"/>\
         <circle class=\"held\" cx=\"{least:.1}\" cy=\"{middle:.1}\" r=\"3.5\"/>"
    );
    let _ =
        writeln!(svg, "<circle class=\"votes\" cx=\"{:.1}\" cy=\"{middle:.1}\" r=\"4\"/>", at(group.usual.votes_right));
    diamond(svg, at(group.usual.scores_right), middle);
}

fn legend(svg: &mut String) {
    text(svg, "text title", 16.0, 22.0, "start", "Rank intervals hold the true rank; strict orders pretend to know it");
    let y = 44.0;
    let _ = writeln!(svg, "<circle class=\"held\" cx=\"21\" cy=\"{}\" r=\"3.5\"/>", y - 4.0);
    text(svg, "text", 32.0, y, "start", "interval holds the true rank (worst family)");
    let _ = writeln!(svg, "<circle class=\"votes\" cx=\"315\" cy=\"{}\" r=\"4\"/>", y - 4.0);
    text(svg, "text", 326.0, y, "start", "strict order of raw votes is right");
    diamond(svg, 545.0, y - 4.0);
    text(svg, "text", 556.0, y, "start", "strict order of scores is right");
}

fn diamond(svg: &mut String, x: f64, y: f64) {
    let _ = writeln!(svg, "<path class=\"scores\" d=\"M{:.1} {y:.1}l4.5 -4.5l4.5 4.5l-4.5 4.5z\"/>", x - 4.5);
}

fn x(share: f64) -> f64 {
    LEFT + (RIGHT - LEFT) * share
}

fn line(svg: &mut String, class: &str, x: f64, from: f64, to: f64) {
    let _ = writeln!(svg, "<line class=\"{class}\" x1=\"{x:.1}\" y1=\"{from:.1}\" x2=\"{x:.1}\" y2=\"{to:.1}\"/>");
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, anchor: &str, words: &str) {
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>");
}
