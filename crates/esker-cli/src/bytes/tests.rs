//! Every form there and back.

use super::*;

#[test]
fn forms_go_in() {
    let decoded = |text: &str| decode(text.as_bytes()).map(Cow::into_owned);
    assert_eq!(decoded("hi"), Ok(b"hi".to_vec()));
    assert_eq!(decoded("hex:00fF"), Ok(vec![0, 255]));
    assert_eq!(decoded("base64:aGk="), Ok(b"hi".to_vec()));
    assert_eq!(decoded("text:hex:00"), Ok(b"hex:00".to_vec()));
    assert_eq!(decoded(""), Ok(vec![]));
    assert!(decoded("hex:0").is_err());
    assert!(decoded("hex:zz").is_err());
    assert!(decoded("base64:!").is_err());
}

#[test]
fn what_goes_out_comes_back() {
    let cases: [&[u8]; 8] =
        [b"", b"plain", b"a,b", b"tab\there", b"line\n", b"hex:00", &[0xff, 0], "é".as_bytes()];
    for bytes in cases {
        let text = encode(bytes, Some(b",")).into_owned();
        assert!(!text.contains(','), "{text}");
        assert_eq!(decode(text.as_bytes()).as_deref(), Ok(bytes), "{text}");
    }
    assert_eq!(encode(b"tab\there", Some(b",")), "tab\there");
    assert_eq!(encode(b"a,b", None), "a,b");
}

#[test]
fn a_key_is_told_from_the_delimiter_after_it() {
    for (key, delimiter, expected) in [
        (&b"a"[..], &b"::"[..], true),
        (b"a:", b"::", false),
        (b"a::b", b"::", false),
        (b"abab", b"abac", true),
        (b"hex:00", b":", false),
        (b"", b",", true),
        (b"a", b"", false),
        (b"", b"", true),
    ] {
        assert_eq!(splits(key, delimiter), expected, "{key:?} {delimiter:?}");
    }
    assert_eq!(encode(b"a:", Some(b"::")), "hex:613a");
}
