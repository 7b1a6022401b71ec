"""Training 2D teachers on images alone: self-supervised (MoCo v2) and supervised, alike in all but the signal."""

from ppkt_zoo.teachers.training.recipe import TeacherRecipe, load_teacher_recipe, shipped_teacher_recipes
from ppkt_zoo.teachers.training.trainer import TrainedTeacher, train_teacher

__all__ = ["TeacherRecipe", "TrainedTeacher", "load_teacher_recipe", "shipped_teacher_recipes", "train_teacher"]
