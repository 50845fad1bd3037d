// ONNX's f for PyTorch's RNN.

// Whether the activation is ReLU; otherwise it is tanh.
override RELU: bool = false;

fn act_f(index: u32, x: f32) -> f32 {
    if RELU {
        return act_relu(x);
    }
    return act_tanh(x);
}
