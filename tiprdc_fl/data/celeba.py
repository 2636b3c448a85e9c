"""CelebA (Liu et al., "Deep Learning Face Attributes in the Wild", ICCV 2015): photographs of celebrities.

Files, as the authors distribute them (202,599 images of 10,177 people):
    img_align_celeba/000001.jpg ...  aligned faces, 218 pixels high and 178 wide
    list_attr_celeba.txt             number of images; names of the attributes; file name and a -1 or 1 each
    identity_CelebA.txt              file name and number of the person
    list_eval_partition.txt          file name and 0 (training), 1 (validation) or 2 (test); may be missing
"""

from pathlib import Path

from tiprdc_fl.data.celeba_files import WANTED, check_root, read_table
from tiprdc_fl.data.examples import Dataset
from tiprdc_fl.data.images import image_dataset
from tiprdc_fl.errors import InputError


def celeba(root: Path | None, image_size: tuple[int, int], seed: int) -> Dataset:
    """CelebA's people, their photographs and all attributes the file names (40 in the original).

    Reads the text files only. The first ``load`` decodes all images into the cache folder, 3 * height *
    width bytes each (2.5 GB for all of CelebA at 64x64, 23.6 GB at 218x178); a change of an image's size or
    modification time leads to a new decoded file.

    Args:
        root: folder with the entries named at the top of this file.
        image_size: (height, width). Images are cropped around their centre to this shape and then resized
            with antialiasing; at (218, 178) they stay as they are.
        seed: not used; every dataset takes the same arguments.

    Returns:
        the dataset; its ``test_people`` are those of the partition's test images, None without that file.

    Raises:
        InputError: a file or an image is missing, or a row is not as described above.
    """
    if root is None:
        raise InputError(f"data.name=celeba needs data.root=PATH: {WANTED}")
    return image_dataset(read_table(check_root(root), image_size))
