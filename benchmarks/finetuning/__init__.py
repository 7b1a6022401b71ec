"""What a pretrained start is worth: fine-tuning from every start, with every part of the labels."""
