//! Files that are broken in many ways, within the bounds of a test; the properties that must hold are those of `fuzz/`.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::writer::*;
use crate::bad_input::onnx::{check, check_with_data};

/// A change of a file's bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Cut(Index),
    Remove(Index),
    Insert(Index, u8),
    Repeat(Index, Index),
}

impl Change {
    fn make(&self, file: &mut Vec<u8>) {
        if file.is_empty() {
            return;
        }
        let len = file.len();
        match self {
            Change::Set(place, byte) => file[place.index(len)] = *byte,
            Change::Cut(place) => file.truncate(place.index(len)),
            Change::Remove(place) => drop(file.remove(place.index(len))),
            Change::Insert(place, byte) => file.insert(place.index(len), *byte),
            Change::Repeat(from, to) => {
                let (from, to) = (from.index(len), to.index(len));
                file.extend_from_within(from.min(to)..from.max(to));
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(place, byte)| Change::Set(place, byte)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => any::<Index>().prop_map(Change::Remove),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(place, byte)| Change::Insert(place, byte)),
        1 => any::<[Index; 2]>().prop_map(|[from, to]| Change::Repeat(from, to)),
    ]
}

/// A few models of different make.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx");
    let names = [
        "lstm_dynamo_batch_first_bidirectional",
        "gru_torchscript_states",
        "rnn_bf16_typed",
        "gru_constants",
        "between",
        "graphs/arithmetic",
        "graphs/dynamic_rows_int8",
        "graphs/functions",
        "graphs/if_in_if",
        "graphs/learned_states_where",
        "graphs/qdq_channel_int8",
        "graphs/transposed",
    ];
    select(names.map(|name| std::fs::read(folder.join(name).with_extension("onnx")).unwrap()).to_vec())
}

/// Names of values and sizes that the random graphs below are made of.
const NAMES: [&str; 12] = ["", "x", "W", "R", "B", "s", "a", "b", "c", "d", "e", "y"];
const SIZES: [i64; 9] = [-1, 0, 1, 2, 3, 4, 8, 16, i64::MAX];
const OPERATORS: [&str; 40] = [
    "LSTM",
    "GRU",
    "RNN",
    "LSTM",
    "Transpose",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Shape",
    "Gather",
    "Slice",
    "Concat",
    "Mul",
    "Expand",
    "Identity",
    "Dropout",
    "Cast",
    "ConstantOfShape",
    "Constant",
    "Split",
    "Relu",
    "Loop",
    "Add",
    "Sub",
    "Div",
    "Mod",
    "Pow",
    "Tile",
    "Where",
    "Equal",
    "Flatten",
    "Range",
    "Size",
    "MatMul",
    "Neg",
    "ReduceSum",
    "ReduceMax",
    "DequantizeLinear",
    "QuantizeLinear",
    "If",
];

fn attribute() -> impl Strategy<Value = Message> {
    let names = [
        "hidden_size",
        "perm",
        "axes",
        "axis",
        "direction",
        "layout",
        "starts",
        "ends",
        "value",
        "value_ints",
        "to",
        "keepdims",
        "block_size",
    ];
    (select(names.to_vec()), vec(select(SIZES.to_vec()), 0..4)).prop_map(|(name, numbers)| match name {
        "perm" | "axes" | "starts" | "ends" | "value_ints" => ints(name, &numbers),
        "direction" => string(name, if numbers.len() > 2 { "bidirectional" } else { "forward" }),
        "value" => Message::default().bytes(1, name).bytes(5, tensor("", &[2])).int(20, 4),
        _ => int(name, numbers.first().copied().unwrap_or(2)),
    })
}

/// A node that gives a value of its own: names that are given twice end the reading.
fn operator() -> impl Strategy<Value = (&'static str, Vec<&'static str>, Vec<Message>)> {
    (select(OPERATORS.to_vec()), vec(select(NAMES.to_vec()), 0..6), vec(attribute(), 0..3))
}

fn graph() -> impl Strategy<Value = Vec<u8>> {
    let node = |(place, (op_type, inputs, attributes)): (usize, (&str, Vec<&str>, Vec<Message>))| {
        let outputs = ["a", "b", "c", "d", "e", "y"].get(place).map_or(vec![], |name| vec![*name]);
        // Weights where they belong make the node worth following.
        let recurrent = ["LSTM", "GRU", "RNN"].contains(&op_type);
        let inputs = match inputs.first() {
            Some(x) if recurrent => [&[*x, "W", "R"][..], inputs.get(1..).unwrap_or_default()].concat(),
            _ => inputs,
        };
        super::writer::node(op_type, "", &inputs, &outputs, &attributes)
    };
    (vec(operator(), 1..7), vec(select(SIZES.to_vec()), 0..6)).prop_map(move |(nodes, sizes)| {
        let nodes: Vec<Message> = nodes.into_iter().enumerate().map(node).collect();
        let bytes: Vec<u8> = sizes.iter().flat_map(|size| size.to_le_bytes()).collect();
        let sizes = header("s", &[sizes.len() as i64], 7).bytes(9, bytes);
        model(17, &nodes, &[tensor("W", &[1, 8, 2]), tensor("R", &[1, 8, 2]), tensor("B", &[1, 16]), sizes])
    })
}

proptest! {
    // PROPTEST_CASES asks for more.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(2000),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn changed_models(mut file in file(), changes in vec(change(), 1..6)) {
        changes.iter().for_each(|change| change.make(&mut file));
        check(&file);
    }

    #[test]
    fn random_graphs(file in graph()) {
        check(&file);
    }

    #[test]
    fn random_bytes(file in vec(any::<u8>(), 0..200)) {
        check(&file);
    }

    #[test]
    fn changed_data(changes in vec(change(), 1..6)) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx/graphs");
        let [model, data] = ["external.onnx", "external.bin"].map(|name| std::fs::read(folder.join(name)).unwrap());
        let mut file = [&model[..], b"EXTERNAL", &data].concat();
        changes.iter().for_each(|change| change.make(&mut file));
        check_with_data(&file);
    }
}

#[test]
fn small_messages_cost_no_more_than_they_may() {
    let empty =
        |field: u64, times: usize| (0..times).fold(Message::default(), |message, _| message.bytes(field, []));
    let opset = Message::default().int(2, 17);
    for graph in [
        empty(1, 10_000),                                                          // nodes
        empty(5, 10_000),                                                          // initializers
        empty(11, 10_000),                                                         // inputs
        Message::default().bytes(1, empty(5, 10_000)),                             // a node's attributes
        Message::default().bytes(1, empty(1, 10_000)),                             // a node's inputs
        Message::default().bytes(5, Message::default().bytes(7, vec![1; 10_000])), // packed integers
        Message::default().bytes(
            1,
            (0..5000).fold(Message::default().bytes(1, "x").bytes(4, "Identity"), |node, place| {
                node.bytes(2, format!("{place:04}"))
            }),
        ),
    ] {
        check(&Message::default().bytes(7, graph).bytes(8, &opset).0);
    }
}

/// Graphs in graphs are skipped as bytes from some depth on: reading all of them would overflow the stack.
#[test]
fn no_depth_of_graphs_ends_the_program() {
    let mut graph = Message::default();
    for _ in 0..2000 {
        graph = Message::default().bytes(1, Message::default().bytes(5, Message::default().bytes(6, &graph)));
    }
    check(&Message::default().bytes(7, graph).bytes(8, Message::default().int(2, 17)).0);
}

/// Functions that call each other could visit a number of nodes that grows with a power of their own.
#[test]
fn no_number_of_calls_ends_the_program() {
    let call = |name: &str| node(name, "", &["x", "W", "R"], &[], &[]).bytes(7, "f");
    let function = |name: &str, calls: &[Message]| {
        let recurrent = node("LSTM", "", &["x", "W", "R"], &[], &[]);
        let function = Message::default().bytes(1, name).bytes(10, "f");
        let function = ["x", "W", "R"].iter().fold(function, |function, input| function.bytes(4, input));
        calls.iter().fold(function.bytes(7, recurrent), |function, call| function.bytes(7, call))
    };
    for calls in [2, 30, 1000] {
        let file = Message(model(17, &[call("a")], &weights(4)));
        let both =
            ["a", "b"].map(|name| function(name, &vec![call(if name == "a" { "b" } else { "a" }); calls]));
        check(&both.iter().fold(file, |file, function| file.bytes(25, function)).0);
    }
}

/// A tensor of zeros that every node asks for is looked at once.
#[test]
fn a_reader_walks_a_large_constant_once() {
    let zeros = header("z", &[1 << 22], FLOAT).bytes(9, vec![0; 1 << 24]);
    let nodes: Vec<Message> =
        (0..2000).map(|place| node("Slice", "", &["z"], &[&format!("v{place}")], &[])).collect();
    let file = model(17, &nodes, &[zeros]);
    let start = std::time::Instant::now();
    check(&file);
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}
