//! The header's text: a Python dictionary of three keys, without the rest of Python's literals.

/// The largest accepted nesting of brackets inside the dictionary. The shape of a field in a list of fields is the
/// deepest that NumPy writes.
const DEEPEST: usize = 3;

/// What the dictionary says.
#[derive(Debug)]
pub(super) struct Literal<'t> {
    /// The value of `descr`: a type's name, or none for a list of fields.
    pub(super) descr: Option<&'t str>,
    /// The text of `descr` in the file, with its quotes or brackets.
    pub(super) descr_text: &'t str,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<usize>,
}

/// A value of the dictionary.
#[derive(Debug)]
enum Value<'t> {
    Text(&'t str),
    Bool(bool),
    Count(usize),
    /// A tuple or a list.
    Sequence(Vec<Value<'t>>),
}

/// Parses the header's text. The error says what was found.
pub(super) fn parse(text: &str) -> Result<Literal<'_>, &'static str> {
    let mut parser = Parser { rest: text };
    if !parser.take('{') {
        return Err("text that is not a dictionary");
    }
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    while !parser.take('}') {
        let Value::Text(key) = parser.value(0)? else { return Err("a key that is not text") };
        if !parser.take(':') {
            return Err("a key without a value");
        }
        let before = parser.skip_blanks();
        let value = parser.value(0)?;
        let written = before.get(..before.len() - parser.rest.len()).unwrap_or_default().trim_end();
        let is_new = match key {
            "descr" => descr.replace((value, written)).is_none(),
            "fortran_order" => fortran_order.replace(value).is_none(),
            "shape" => shape.replace(value).is_none(),
            _ => return Err("another key than descr, fortran_order and shape"),
        };
        if !is_new {
            return Err("one key twice");
        }
        if !parser.take(',') && !parser.rest.starts_with('}') {
            return Err("a dictionary that does not end");
        }
    }
    if !parser.skip_blanks().is_empty() {
        return Err("more than a dictionary");
    }
    let (descr, descr_text) = match descr.ok_or("one without the key descr")? {
        (Value::Text(name), written) => (Some(name), written),
        (Value::Sequence(_), written) => (None, written),
        _ => return Err("a descr that is neither text nor a list"),
    };
    let Value::Bool(fortran_order) = fortran_order.ok_or("one without the key fortran_order")? else {
        return Err("a fortran_order that is neither True nor False");
    };
    let Value::Sequence(sizes) = shape.ok_or("one without the key shape")? else {
        return Err("a shape that is neither a tuple nor a list");
    };
    let size = |size: &Value<'_>| match size {
        Value::Count(size) => Ok(*size),
        _ => Err("a shape of other values than integers"),
    };
    Ok(Literal { descr, descr_text, fortran_order, shape: sizes.iter().map(size).collect::<Result<_, _>>()? })
}

/// The text that was not yet read.
struct Parser<'t> {
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn skip_blanks(&mut self) -> &'t str {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.rest
    }

    /// Takes a character if it is the next one, and the blanks around it.
    fn take(&mut self, wanted: char) -> bool {
        let rest = self.skip_blanks().strip_prefix(wanted);
        if let Some(rest) = rest {
            self.rest = rest;
            self.skip_blanks();
        }
        rest.is_some()
    }

    /// Takes a value that is inside that many brackets.
    fn value(&mut self, depth: usize) -> Result<Value<'t>, &'static str> {
        let rest = self.skip_blanks();
        let first = rest.chars().next().ok_or("text that ends too early")?;
        match first {
            '\'' | '"' => self.text(first),
            '0'..='9' => self.count(),
            '(' | '[' if depth < DEEPEST => self.sequence(depth),
            '(' | '[' | '{' => Err("one nested too deeply"),
            '+' | '-' => Err("one with more than plain names and numbers"),
            _ => {
                let known = [("True", true), ("False", false)];
                let found =
                    known.into_iter().find_map(|(word, value)| Some((rest.strip_prefix(word)?, value)));
                let (rest, value) = found.ok_or("a value of another kind")?;
                self.rest = rest;
                Ok(Value::Bool(value))
            }
        }
    }

    fn text(&mut self, quote: char) -> Result<Value<'t>, &'static str> {
        let rest = self.rest.get(1..).unwrap_or_default();
        let (text, rest) = rest.split_once(quote).ok_or("text that ends too early")?;
        // With escapes, a text would not be what it looks like.
        if text.contains(['\\', '\n']) {
            return Err("one with more than plain names and numbers");
        }
        self.rest = rest;
        Ok(Value::Text(text))
    }

    fn count(&mut self) -> Result<Value<'t>, &'static str> {
        let behind = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let (digits, rest) = self.rest.split_at(self.rest.len() - behind.len());
        match rest.trim_start_matches([' ', '\t']).chars().next() {
            Some('.') => return Err("a number that is not an integer"),
            Some(',' | ')' | ']' | '}' | '\r' | '\n') | None => {}
            // These are other notations than decimal digits, and sums.
            Some(_) => return Err("one with more than plain names and numbers"),
        }
        self.rest = rest;
        digits.parse().map(Value::Count).map_err(|_| "one with a number too large")
    }

    fn sequence(&mut self, depth: usize) -> Result<Value<'t>, &'static str> {
        let end = if self.take('(') { ')' } else { ']' };
        if end == ']' {
            self.take('[');
        }
        let mut values = Vec::new();
        while !self.take(end) {
            values.push(self.value(depth + 1)?);
            if !self.take(',') && !self.rest.starts_with(end) {
                return Err("a list that does not end");
            }
        }
        Ok(Value::Sequence(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }          \n";

    #[test]
    fn the_order_of_keys_blanks_and_quotes_do_not_matter() {
        let other = "\n { \"shape\":[2,3] ,\t\"fortran_order\" : False,\"descr\":\"<f4\"}";
        for text in [WHOLE, other] {
            let Literal { descr, fortran_order, shape, .. } = parse(text).unwrap();
            assert_eq!((descr, fortran_order, &shape[..]), (Some("<f4"), false, &[2, 3][..]));
        }
        assert_eq!(parse(WHOLE).unwrap().descr_text, "'<f4'");
        let shape = |text: &str| parse(&WHOLE.replace("(2, 3)", text)).map(|literal| literal.shape);
        assert_eq!(shape("()"), Ok(vec![]));
        assert_eq!(shape("( 7 , )"), Ok(vec![7]));
        assert_eq!(shape("(0, 007)"), Ok(vec![0, 7]));
    }

    #[test]
    fn a_list_of_fields_is_kept_as_text() {
        let fields = "[('a b', '<f4'), ('c-d', '|u1', (2, 3))]";
        let text = WHOLE.replace("'<f4'", fields);
        let literal = parse(&text).unwrap();
        assert_eq!((literal.descr, literal.descr_text), (None, fields));
    }

    #[test]
    fn every_part_of_a_header_is_too_little() {
        let end = WHOLE.rfind('}').unwrap();
        for length in 0..=end {
            assert!(parse(&WHOLE[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        let with = |old: &str, new: &str| WHOLE.replace(old, new);
        for (found, text) in [
            ("text that is not a dictionary", String::new()),
            ("text that ends too early", "{".into()),
            ("text that is not a dictionary", "(1, 2)".into()),
            ("a value of another kind", with("False", "None")),
            ("more than a dictionary", format!("{WHOLE}1")),
            ("another key", with("descr", "description")),
            ("one key twice", with("descr", "shape")),
            ("without the key descr", "{'fortran_order': False, 'shape': (2, 3)}".into()),
            ("a key that is not text", "{(1,): 2}".into()),
            ("a key without a value", "{'descr', 'shape'}".into()),
            ("a descr that", with("'<f4'", "4")),
            ("a fortran_order that", with("False", "'False'")),
            ("a shape that", with("(2, 3)", "6")),
            ("a shape of other values", with("(2, 3)", "('2',)")),
            ("a list that does not end", with("(2, 3)", "('a' 3)")),
            ("a dictionary that does not end", with("False,", "False")),
            ("nested too deeply", with("(2, 3)", "((((2))))")),
            ("nested too deeply", with("(2, 3)", "{}")),
            ("more than plain", with("2", "2 + 2")),
            ("more than plain", with("2", "2L")),
            ("more than plain", with("<f4", "<\\x664")),
            ("not an integer", with("2", "2.0")),
            ("a number too large", with("2", "99999999999999999999")),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(found), "expected {found:?} for {text:?}, found {error:?}");
        }
    }
}
