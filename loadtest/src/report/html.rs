//! The report as one page, with nothing from elsewhere: verdict, figures, charts over time.
//!
//! It is made from the same JSON that `--json` writes, so that a page of an older run can be made
//! at any time; what a JSON does not have is left out.

use std::fmt::Write as _;

use serde_json::Value;

use super::charts::{Axes, Line, chart, escaped, number};

/// Colours with enough contrast on both grounds; lines differ by dashes, too.
const STYLE: &str = "
:root{color-scheme:light dark;--ground:#fff;--ink:#1b2430;--soft:#5b6673;--grid:#dde2e8;
--c0:#1f5fbf;--c1:#b3400f;--c2:#2c7a3f;--c3:#7a3fa0;--c4:#8a6d00}
@media(prefers-color-scheme:dark){:root{--ground:#12171d;--ink:#e6ebf0;--soft:#9aa7b4;--grid:#2b343e;
--c0:#7fb0ff;--c1:#ff9d66;--c2:#7fd28f;--c3:#cfa2f2;--c4:#e3c65b}}
body{font:15px/1.5 system-ui,sans-serif;background:var(--ground);color:var(--ink);
max-width:1000px;margin:2em auto;padding:0 1em;font-variant-numeric:tabular-nums}
h1{font-size:1.5em;margin-bottom:0}p.about{color:var(--soft);margin-top:.2em}
.verdict{padding:.6em 1em;border-left:6px solid var(--c2)}.verdict.bad{border-color:#c62828}
table{border-collapse:collapse;width:100%}th,td{text-align:right;padding:.25em .6em;
border-bottom:1px solid var(--grid)}th:first-child,td:first-child{text-align:left}
figure{margin:1.6em 0}figcaption{font-weight:600}figcaption span{color:var(--soft);font-weight:400}
svg{width:100%;height:auto}svg text{font-size:12px;fill:var(--soft)}.grid{stroke:var(--grid)}
polyline{fill:none;stroke-width:1.8}polyline.l0{stroke:var(--c0)}polyline.l1{stroke:var(--c1);
stroke-dasharray:7 3}polyline.l2{stroke:var(--c2);stroke-dasharray:2 3}polyline.l3{stroke:var(--c3);
stroke-dasharray:10 3 2 3}polyline.l4{stroke:var(--c4);stroke-dasharray:4 4}
ul{list-style:none;padding:0;margin:0;display:flex;gap:1.5em;flex-wrap:wrap}
li::before{content:'\\25A0  '}li.l0::before{color:var(--c0)}li.l1::before{color:var(--c1)}
li.l2::before{color:var(--c2)}li.l3::before{color:var(--c3)}li.l4::before{color:var(--c4)}
pre{white-space:pre-wrap;background:color-mix(in srgb,var(--grid) 40%,transparent);padding:.8em}";

/// A page around its body.
pub(super) fn around(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{}</title>\
         <style>{STYLE}</style><main>{body}</main></html>\n",
        escaped(title)
    )
}

/// The page of a run's JSON.
pub fn page(run: &Value) -> String {
    let scenario = &run["options"]["scenario"];
    let name = scenario["name"].as_str().unwrap_or("run");
    let about = scenario["about"].as_str().unwrap_or("");
    let mut body =
        format!("<h1>Load test: {}</h1><p class=\"about\">{}</p>", escaped(name), escaped(about));
    body.push_str(&verdict(run));
    body.push_str(&table(run));
    body.push_str(&threads(run));
    body.push_str(&over_time(run));
    body.push_str(&by_percentile(&[("this run", run)]));
    body.push_str(&sources(scenario));
    around(&format!("Load test: {name}"), &body)
}

fn verdict(run: &Value) -> String {
    let broken = run["broken"].as_u64().unwrap_or(0);
    let counts = &run["counts"];
    let count = |name: &str| number(counts[name].as_f64().unwrap_or(0.0));
    let mut text = match broken {
        0 => {
            "<p class=\"verdict\">Every answer and every count was as the oracle expects".to_owned()
        }
        n => format!("<p class=\"verdict bad\"><strong>{n} broken expectations</strong>"),
    };
    write!(text, ": {} entries, {} exits.</p>", count("entries"), count("exits")).ok();
    for one in run["broken_words"].as_array().into_iter().flatten() {
        let what = one["what"].as_str().unwrap_or_default();
        let trail: Vec<&str> =
            one["trail"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        write!(text, "<pre>{}\n{}</pre>", escaped(what), escaped(&trail.join("\n"))).ok();
    }
    text
}

/// The latencies that a report has, with their places in the JSON.
pub(super) const ROWS: [(&str, &str); 6] = [
    ("scan → decision", "/visitors/from_intended"),
    ("from the sending", "/visitors/from_sending"),
    ("passage → acknowledgement", "/visitors/passage_to_ack"),
    ("raw echo", "/echo/from_intended"),
    ("commit → viewer", "/viewers/age"),
    ("kiosk sale", "/kiosks/sale"),
];

fn table(run: &Value) -> String {
    let mut text =
        "<table><tr><th>milliseconds<th>count<th>p50<th>p90<th>p99<th>p99.9<th>longest</tr>"
            .to_owned();
    for (name, place) in ROWS {
        let Some(row) = run.pointer(place) else { continue };
        if row["count"].as_u64().unwrap_or(0) == 0 {
            continue;
        }
        let ms = |name: &str| number(row[name].as_f64().unwrap_or(0.0) / 1000.0);
        write!(
            text,
            "<tr><td>{name}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}</tr>",
            number(row["count"].as_f64().unwrap_or(0.0)),
            ms("p50_us"),
            ms("p90_us"),
            ms("p99_us"),
            ms("p999_us"),
            ms("max_us")
        )
        .ok();
    }
    text + "</table>"
}

/// Where the server's processor time went, by the names of its threads.
fn threads(run: &Value) -> String {
    let all = run["server_threads"].as_array().into_iter().flatten();
    let rows: Vec<String> = all
        .filter(|one| one["cpu_s"].as_f64().unwrap_or(0.0) > 0.0)
        .map(|one| {
            let of = |key: &str| number(one[key].as_f64().unwrap_or(0.0));
            let name = escaped(one["name"].as_str().unwrap_or_default());
            let (count, cpu_s, each_us) = (of("threads"), of("cpu_s"), of("us_a_visitor"));
            format!("<tr><td>{name}<td>{count}<td>{cpu_s}<td>{each_us}</tr>")
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = "<table><tr><th>server's threads<th>how many<th>processor s<th>µs a visitor</tr>";
    format!("{head}{}</table>", rows.concat())
}

/// The values of a key over time, scaled.
fn line(run: &Value, name: &str, key: &str, times: f64) -> Line {
    let ticks = run["series"].as_array().into_iter().flatten();
    let points = ticks.filter_map(|tick| {
        let rate = if key == "answered" || key == "alone" {
            1.0 / tick["of_s"].as_f64().filter(|of_s| *of_s > 0.0)?
        } else {
            1.0
        };
        Some((tick["at_s"].as_f64()?, tick[key].as_f64()? * times * rate))
    });
    Line { name: name.to_owned(), points: points.collect() }
}

fn over_time(run: &Value) -> String {
    let charts: [(&str, &str, bool, Vec<Line>); 5] = [
        (
            "Latency from the intended moment",
            "ms, logarithmic",
            true,
            vec![
                line(run, "p50", "p50_us", 1e-3),
                line(run, "p99", "p99_us", 1e-3),
                line(run, "longest", "max_us", 1e-3),
            ],
        ),
        (
            "Answers",
            "a second",
            false,
            vec![
                line(run, "by the server", "answered", 1.0),
                line(run, "by lanes alone, or none", "alone", 1.0),
            ],
        ),
        (
            "Queues",
            "how many",
            false,
            vec![
                line(run, "visitors who wait for a lane", "waiting", 1.0),
                line(run, "open grants", "grants_open", 1.0),
                line(run, "records for the journal", "ledger_queue", 1.0),
                line(run, "records for the books", "ledger_backlog", 1.0),
            ],
        ),
        (
            "Processor",
            "% of one core",
            false,
            vec![line(run, "server", "server_cpu", 1.0), line(run, "load test", "own_cpu", 1.0)],
        ),
        ("Memory of the server", "MiB", false, vec![line(run, "server", "server_mib", 1.0)]),
    ];
    charts
        .iter()
        .map(|(title, unit, log, lines)| {
            chart(&Axes { title, unit, log: *log, marks: None }, lines)
        })
        .collect()
}

/// Latency by percentile, so that each further nine is as wide as the one before.
pub(super) fn by_percentile(runs: &[(&str, &Value)]) -> String {
    let place = |percentile: f64| -(1.0 - percentile.min(99.999) / 100.0).log10();
    let lines: Vec<Line> = runs
        .iter()
        .map(|(name, run)| {
            let points = run["percentiles"].as_array().into_iter().flatten();
            let points = points
                .filter_map(|point| Some((place(point[0].as_f64()?), point[1].as_f64()? / 1000.0)));
            Line { name: (*name).to_owned(), points: points.collect() }
        })
        .collect();
    let marks = [50.0, 90.0, 99.0, 99.9, 99.99].map(|p| (place(p), format!("p{p}")));
    let axes = Axes {
        title: "Latency by percentile",
        unit: "ms, logarithmic",
        log: true,
        marks: Some(marks.to_vec()),
    };
    chart(&axes, &lines)
}

fn sources(scenario: &Value) -> String {
    let all: Vec<String> = scenario["sources"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|source| format!("<p>{}</p>", escaped(source)))
        .collect();
    if all.is_empty() { String::new() } else { format!("<h2>Why so</h2>{}", all.concat()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_has_its_verdict_and_charts_and_nothing_from_elsewhere() {
        let run = json!({
            "options": { "scenario": { "name": "a <day>", "about": "b", "sources": ["s"] } },
            "visitors": { "from_intended": { "count": 2, "p50_us": 900.0, "p99_us": 4000.0 } },
            "percentiles": [[50.0, 900.0], [99.0, 4000.0]],
            "series": [{ "at_s": 1.0, "of_s": 1.0, "answered": 5, "p50_us": 900.0 },
                       { "at_s": 2.0, "of_s": 1.0, "answered": 7, "p50_us": 950.0 }],
            "broken": 1,
            "broken_words": [{ "what": "Enter(0): wrong", "trail": ["first", "then"] }],
            "counts": { "entries": 1, "exits": 0 },
            "server_threads": [
                { "name": "journal", "threads": 1, "cpu_s": 0.5, "us_a_visitor": 71.0 },
                { "name": "idle", "threads": 1, "cpu_s": 0.0, "us_a_visitor": 0.0 },
            ],
        });
        let page = page(&run);
        assert!(page.contains("1 broken expectations") && page.contains("first\nthen"));
        assert!(page.contains("a &lt;day&gt;") && page.contains("<polyline"));
        assert!(page.contains("<td>journal<td>1<td>0.5") && !page.contains("idle"), "{page}");
        assert!(!page.contains("http") && !page.contains("<script"));
    }
}
