//! Each input format on small input, with its errors.

use super::*;

/// Gives a byte at a time, as a slow pipe may.
struct Trickle<'a>(&'a [u8]);

impl std::io::Read for Trickle<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let (Some((first, rest)), Some(place)) = (self.0.split_first(), buf.first_mut()) else {
            return Ok(0);
        };
        *place = *first;
        self.0 = rest;
        Ok(1)
    }
}

/// All records as `key=value`, then the error if there is one.
fn all(mut records: impl Records) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        match records.next() {
            Ok(Some((key, value))) => {
                all.push(format!("{}={}", key.escape_ascii(), value.escape_ascii()));
            }
            Ok(None) => return all,
            Err(error) => {
                all.push(error);
                return all;
            }
        }
    }
}

fn delimited(input: &str, delimiter: &str, terminator: u8) -> Vec<String> {
    let lines = Lines::new(Trickle(input.as_bytes()), terminator);
    let at_once = Lines::new(input.as_bytes(), terminator);
    let result = all(Delimited::new(lines, delimiter.as_bytes()));
    assert_eq!(result, all(Delimited::new(at_once, delimiter.as_bytes())));
    result
}

#[test]
fn the_classic_stream() {
    assert_eq!(delimited("b,2\na,1,x\n", ",", b'\n'), ["b=2", "a=1,x"]);
    assert_eq!(delimited("b,2\na,1", ",", b'\n'), ["b=2", "a=1"]);
    assert_eq!(delimited("a,1\0b,2\n", ",", b'\n'), ["a=1"]);
    assert_eq!(delimited("a,1\n\0b,2\n", ",", b'\n'), ["a=1"]);
    assert_eq!(delimited("", ",", b'\n'), [""; 0]);
    assert_eq!(delimited(",\n", ",", b'\n'), ["="]);
    assert_eq!(delimited("a::1:2\n", "::", b'\n'), ["a=1:2"]);
    assert_eq!(delimited("a,1\nb", ",", b'\n'), ["a=1", "line 2: no delimiter \",\" in \"b\""]);
    assert_eq!(delimited("a,1\n\n", ",", b'\n'), ["a=1", "line 2: no delimiter \",\" in \"\""]);
}

#[test]
fn records_that_end_with_nul() {
    assert_eq!(delimited("a,1\n\0b,2\0", ",", 0), ["a=1\\n", "b=2"]);
}

#[test]
fn tabs() {
    let tabbed =
        |input: &'static str, column| all(Tabbed::new(Lines::new(input.as_bytes(), b'\n'), column));
    assert_eq!(tabbed("a\tb\tc\n", 0), ["a=b\\tc"]);
    assert_eq!(tabbed("a\tb\tc\n", 1), ["b=a\\tc"]);
    assert_eq!(tabbed("a\tb\tc\n", 2), ["c=a\\tb"]);
    assert_eq!(tabbed("a\n", 0), ["a="]);
    assert_eq!(tabbed("a\tb\nc\n", 1), ["b=a", "line 2: no column 2"]);
}

#[test]
fn quotes() {
    let csv = |input: &'static str, column| all(Csv::new(input.as_bytes(), column));
    assert_eq!(csv("a,\"b,\"\"x\"\"\",c\nd,e,f\n", 1), ["b,\\\"x\\\"=a,c", "e=d,f"]);
    assert_eq!(csv("a,\"b,x\"\n", 0), ["a=\\\"b,x\\\""]);
    assert_eq!(csv("a\n", 0), ["a="]);
    assert_eq!(csv("a,b\nc\n", 1), ["b=a", "line 2: no column 2"]);
}

#[test]
fn json() {
    let json = |input: &'static str| all(JsonLines::new(Lines::new(input.as_bytes(), b'\n'), "id"));
    assert_eq!(
        json("{\"id\":\"a\"}\n{\"id\":7}\n"),
        ["a={\\\"id\\\":\\\"a\\\"}", "7={\\\"id\\\":7}"]
    );
    assert_eq!(json("{\"x\":1}\n"), ["line 1: no field \"id\""]);
    assert_eq!(json("{\"id\":[]}\n"), ["line 1: \"id\" is neither text nor a number"]);
    assert!(json("{\n")[0].starts_with("line 1: EOF"));
}

#[test]
fn a_quote_that_is_never_closed_takes_bounded_memory() {
    use std::io::Read;
    let left = std::rc::Rc::new(std::cell::Cell::new(10));
    let input = std::io::repeat(b'x').take(100);
    let mut metered = structured::Metered { input, left };
    assert_eq!(metered.read(&mut [0; 8]).ok(), Some(8));
    let refused = metered.read(&mut [0; 8]).map_err(|e| e.to_string());
    assert!(refused.is_err_and(|e| e.contains("a record longer than")));
}
