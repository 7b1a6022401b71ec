"""Name the points of a room without one 3D label: the classes of the 2D teacher, found again by the 3D student.

python examples/classes_without_labels.py FRAMES TEACHER.safetensors [WEIGHT] [PICTURE.png]

FRAMES is a folder of RGB-D frames with poses; TEACHER is the weight's own, here the Pascal VOC segmenter (`ppkt-zoo
teacher import deeplabv3_mnv2_pascal_quant.tflite` makes it from Google's file). The teacher looks at some images and
says where its classes lie in the space that pixels and points share; the student never sees these images.
"""

import sys

import numpy as np
import torch
import yaml

import ppkt_zoo
from ppkt_zoo.data.fuse import fuse
from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.evaluation.teacher_classes import find_teacher_classes
from ppkt_zoo.teachers.teacher import VOC_CLASSES, TeacherSpec, load_teacher
from ppkt_zoo.visualization.classes import segmentation_picture
from ppkt_zoo.visualization.picture import save_picture
from ppkt_zoo.zoo.load import open_weight


def main(
    folder: str, teacher_file: str, weight: str = "sr_unet14_slim.ppkt_voc", picture: str = "classes.png"
) -> np.ndarray:
    """Draw the fused room in the classes of the teacher; the class of every point."""
    recipe = yaml.safe_load(open_weight(weight).read("recipe.yaml"))
    teacher = load_teacher(TeacherSpec.model_validate(recipe["teacher"]["spec"]), teacher_file)
    frames = open_frames(folder)
    looked_at = [frames[number].color for number in range(0, len(frames), max(1, len(frames) // 20))]
    found = find_teacher_classes(teacher, VOC_CLASSES, ppkt_zoo.load_projection(weight), looked_at)
    print(f"the teacher is sure of {', '.join(found.names)} in {len(looked_at)} images")

    room = fuse(frames, range(0, len(frames), max(1, len(frames) // 40)), voxel=0.02, far=4.5)
    features = ppkt_zoo.load_backbone(weight).encode(torch.from_numpy(room.xyz), torch.from_numpy(room.rgb))
    label: np.ndarray = found.of_points(features).numpy()
    page = segmentation_picture(room.xyz, room.rgb, label, found.names, title=f"classes by {weight}, no 3D label")
    print(f"{save_picture(page, picture)}: {len(label)} points")
    return label


if __name__ == "__main__":
    main(*sys.argv[1:])
