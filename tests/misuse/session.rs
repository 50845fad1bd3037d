//! Sessions and what does not fit them.

use wgpu_rnn::ndarray::{Array3, s};
use wgpu_rnn::{Backend, Config, Input, Layer, Session, State, Weights};

use super::{Row, row};
use crate::harness::{Implementation, on_each, random};

fn gru() -> Config {
    Config::gru(3, 4)
}

fn layer(config: Config) -> Layer {
    Layer::new(&Weights::seeded(config, 0).unwrap(), Backend::Cpu).unwrap()
}

pub fn rows() -> Vec<Row> {
    let text = "session: expected a layer with a forward direction only, found ";
    let two = format!("{text}GRU(3, 4, bidirectional=True)");
    let reverse = format!("{text}GRU(3, 4, reverse=True)");
    let mut rows = vec![
        row("Layer::session", layer(gru().bidirectional(true)).session(2), two),
        row("Layer::session", layer(gru().reverse(true)).session(2), &*reverse),
        row("Layer::session_async", pollster::block_on(layer(gru().reverse(true)).session_async(2)), reverse),
    ];
    rows.extend(of_session(&mut layer(gru()).session(2).unwrap()));
    rows.extend(of_small_sessions());
    rows
}

const ABSENT: &str = "rows: row 7 is out of range; the session has 2 rows (0 to 1)";
const TWICE: &str = "rows: expected each row once, found 1 twice";

/// The range in the message follows the number of the session's rows.
fn of_small_sessions() -> Vec<Row> {
    let x = random((1, 3, 3), 1.0, 2);
    let of = |(rows, range): (usize, &str)| {
        let pushed = layer(gru()).session(rows).unwrap().push(Input::new(&x).rows(&[1]));
        row("Session::push", pushed, format!("rows: row 1 is out of range; the session has {range}"))
    };
    [(0, "no rows"), (1, "1 row (0)")].into_iter().map(of).collect()
}

/// Of a session of two rows.
fn of_session(session: &mut Session) -> Vec<Row> {
    let mut rows = of_rows(session);
    rows.extend(of_input(session));
    rows.extend(of_state(session));
    rows
}

fn of_rows(session: &mut Session) -> Vec<Row> {
    let x = random((2, 3, 3), 1.0, 2);
    let input = Input::new(x.view());
    let mut output = Array3::zeros((2, 3, 4));
    let mut all = Vec::new();
    for (named, text) in [([0, 7], ABSENT), ([1, 1], TWICE)] {
        all.extend([
            row("Session::push", session.push(Input::from(&input).rows(&named)), text),
            row(
                "Session::push_into",
                session.push_into(Input::from(&input).rows(&named), output.view_mut()),
                text,
            ),
            row(
                "Session::push_into_async",
                pollster::block_on(
                    session.push_into_async(Input::from(&input).rows(&named), output.view_mut()),
                ),
                text,
            ),
            row(
                "Session::push_async",
                pollster::block_on(session.push_async(Input::from(&input).rows(&named))),
                text,
            ),
            row("Session::set_state", session.set_state(Some(&named), State::default()), text),
            row(
                "Session::set_state_async",
                pollster::block_on(session.set_state_async(Some(&named), State::default())),
                text,
            ),
            row("Session::reset", session.reset(Some(&named)), text),
        ]);
    }
    let (more, less) = (
        "input: expected 1 rows, one for each listed row of the session, found 2",
        "input: expected 2 rows, one for each listed row of the session, found 1",
    );
    let one = Input::new(x.slice(s![..1, .., ..]));
    let state = "state: expected none, since a session keeps its own (Session::set_state), found some";
    let timed = "timed: expected none, since only a forward pass can be timed, found some";
    all.extend([
        row("Session::push", session.push(input.clone().state(State::from(output.view()))), state),
        row("Session::push", session.push(input.clone().timed()), timed),
        row("Session::push", session.push(Input::from(&input).rows(&[1])), more),
        row("Session::push", session.push(&one), less),
        row("Session::push_async", pollster::block_on(session.push_async(&one)), less),
    ]);
    all
}

fn of_input(session: &mut Session) -> Vec<Row> {
    let (x, wide) = (random((2, 3, 3), 1.0, 2), random((2, 3, 5), 1.0, 3));
    let too_long = [1, 4];
    let mut output = Array3::zeros((2, 3, 5));
    let shape = "output: expected shape [2, 3, 4], found [2, 3, 5]";
    vec![
        row(
            "Session::push",
            session.push(&Input::new(wide.view())),
            "input.size(-1) must be equal to input_size. Expected 3, got 5",
        ),
        row(
            "Session::push",
            session.push(&Input::new(x.slice(s![.., ..0, ..]))),
            "input: Expected sequence length to be larger than 0 in RNN, found 0",
        ),
        row(
            "Session::push",
            session.push(&Input::new(x.view()).lengths(&too_long)),
            "lengths[1]: expected 0 to 3 (the input's steps), found 4",
        ),
        row("Session::push_into", session.push_into(&Input::new(x.view()), output.view_mut()), shape),
    ]
}

fn of_state(session: &mut Session) -> Vec<Row> {
    let narrow = random((1, 3, 4), 1.0, 3);
    let wrong = State::from(narrow.view());
    let of_gru = State::from((narrow.slice(s![.., ..2, ..]), narrow.slice(s![.., ..2, ..])));
    vec![
        row(
            "Session::set_state",
            session.set_state(None, &wrong),
            "h_0: Expected hidden size [1, 2, 4], got [1, 3, 4]",
        ),
        row(
            "Session::set_state_async",
            pollster::block_on(session.set_state_async(None, &wrong)),
            "h_0: Expected hidden size [1, 2, 4], got [1, 3, 4]",
        ),
        row(
            "Session::set_state",
            session.set_state(Some(&[0]), &wrong),
            "h_0: Expected hidden size [1, 1, 4], got [1, 3, 4]",
        ),
        row(
            "Session::set_state",
            session.set_state(None, &of_gru),
            "c_0: expected none, since GRU has no cell state, found shape [1, 2, 4]",
        ),
    ]
}

#[test]
fn misuse_of_a_session_changes_nothing_anywhere() {
    on_each(|implementation: &Implementation| {
        let layer = implementation.layer(&Weights::seeded(gru(), 0).unwrap());
        let mut session = layer.session(2).unwrap();
        session.push(&Input::new(random((2, 3, 3), 1.0, 1).view())).unwrap();
        let before = session.state().unwrap();
        for row in of_session(&mut session) {
            assert_eq!(row.found.as_deref(), Some(&*row.expected), "{}", row.function);
        }
        assert_eq!(session.state().unwrap(), before);
    });
}
